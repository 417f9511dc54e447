"""pymodbus over TLS with client certificates: `modbus_tls.py RUN`. The certificates lie beside RUN, as
lines_and_roles.sh made them: the role "service" may write the EMS, nobody else; strangers do not get in."""

import socket
import ssl
import struct
import sys
from pathlib import Path

from pymodbus.client import ModbusTcpClient, ModbusTlsClient
from pymodbus.exceptions import ModbusException

from modbus_rig import Checks, server

# The operator's power, 32 bits, of which nothing follows while the mode is off; the controller's state and heartbeat.
SETPOINT, STATE = 101, 200


def context(folder, name, authority="plant"):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(folder / f"{authority}.pem")
    if name:
        made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    # pymodbus does not say whom it wants to reach; `raw` does.
    made.check_hostname = False
    return made


def outcome(reply):
    """0 for success, else the exception code."""
    return reply.exception_code if reply.isError() else 0


def admitted(address, made, name=None):
    """TLS version of a connection on which a request is answered, else why there is none."""
    ask = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, STATE, 1)
    try:
        with socket.create_connection(address, timeout=5) as plain:
            with made.wrap_socket(plain, server_hostname=name) as secured:
                secured.sendall(ask)
                reply = secured.recv(64)
                return secured.version() if reply[:4] == ask[:4] and reply[7] == 3 else "no reply"
    except (ssl.SSLError, ConnectionError, TimeoutError) as error:
        return type(error).__name__


def main(run):
    folder = run.parent
    address = server(run, "ems", "site-01/ems")
    host, port = address
    checks = Checks()
    for name, code in (("service", 0), ("guest", 1), ("nobody", 1)):
        client = ModbusTlsClient(host, port=port, sslctx=context(folder, name), timeout=5, retries=0)
        checks.same(f"{name}: connected", client.connect(), True)
        state = client.read_holding_registers(STATE, count=7)
        checks.same(f"{name}: reads", outcome(state), 0)
        checks.same(f"{name}: BAU, PCS and meter are online", None if state.isError() else state.registers[5], 7)
        before = client.read_holding_registers(SETPOINT, count=2).registers
        checks.same(f"{name}: writes", outcome(client.write_registers(SETPOINT, [1, 34464])), code)
        after = client.read_holding_registers(SETPOINT, count=2).registers
        checks.same(f"{name}: it is written", after, [1, 34464] if code == 0 else before)
        if code == 0:
            checks.same(f"{name}: puts it back", outcome(client.write_registers(SETPOINT, before)), 0)
        client.close()

    service = context(folder, "service")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        service.minimum_version = service.maximum_version = version
        checks.same(version.name, admitted(address, service), version.name.replace("_", "."))
    named = context(folder, "service")
    named.check_hostname = True
    checks.same("the server's certificate names its address", admitted(address, named, host).startswith("TLSv1"), True)
    for what, made in (
        ("no certificate", context(folder, None)),
        ("a stranger's certificate", context(folder, "stranger")),
        ("a client that trusts somebody else", context(folder, "service", "elsewhere")),
    ):
        got = admitted(address, made)
        checks.same(f"{what} does not get in: {got}", got.startswith("TLSv1") or got == "no reply", False)
    plain = ModbusTcpClient(host, port=port, timeout=2, retries=0)
    plain.connect()
    try:
        reply = plain.read_holding_registers(STATE, count=1)
        checks.same("plain Modbus is not served", reply.isError(), True)
    except ModbusException:
        checks.same("plain Modbus is not served", True, True)
    plain.close()
    checks.same("and the right role still gets in", admitted(address, context(folder, "service")).startswith("TLSv1"), True)
    return checks.end("TLS")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
