"""pymodbus against a live rig: `modbus_pymodbus.py RUN`, RUN being the rig's evidence folder.

Every function code the rig serves, its side conditions, and the exceptions of the protocol, those a decent client never
provokes sent as raw bytes. Exit code 0 if all holds, else 2."""

import socket
import struct
import sys
from pathlib import Path

from pymodbus.client import ModbusTcpClient

from modbus_rig import PCS_SUNS, SCRATCH, SCRATCH_MOST, SCRATCH_WIDE, Checks, servers


def registers(reply):
    return reply.exception_code if reply.isError() else reply.registers


def outcome(reply):
    """0 for success, else the exception code."""
    return reply.exception_code if reply.isError() else 0


def raw(address, pdu):
    """The PDU that answers a PDU."""
    with socket.create_connection(address, timeout=5) as stream:
        stream.sendall(struct.pack(">HHHB", 0x1234, 0, len(pdu) + 1, 1) + pdu)
        header = stream.recv(7, socket.MSG_WAITALL)
        transaction, protocol, length, unit = struct.unpack(">HHHB", header)
        assert (transaction, protocol, unit) == (0x1234, 0, 1), header
        return stream.recv(length - 1, socket.MSG_WAITALL)


def functions(checks, pcs, panel, io):
    same = checks.same
    same("FC3 SunS", registers(pcs.read_holding_registers(PCS_SUNS, count=2)), [0x5375, 0x6E53])
    same("FC3 of 125", len(registers(pcs.read_holding_registers(PCS_SUNS, count=125))), 125)
    same("FC2", outcome(panel.read_discrete_inputs(0, count=17)), 0)
    same("FC4", len(registers(io.read_input_registers(0, count=1))), 1)
    # The panel's mode: nothing follows from manual while nothing burns.
    same("FC5 off", outcome(panel.write_coil(4, False)), 0)
    same("FC1 reads it", panel.read_coils(4, count=1).bits[0], False)
    same("FC15", outcome(panel.write_coils(4, [True, False])), 0)
    same("FC1 reads both", panel.read_coils(4, count=2).bits[:2], [True, False])
    same("FC5 self-clearing", outcome(panel.write_coil(2, True)), 0)
    same("FC1 reads it cleared", panel.read_coils(2, count=1).bits[0], False)
    same("FC6", outcome(pcs.write_register(SCRATCH, 123)), 0)
    same("FC3 reads it", registers(pcs.read_holding_registers(SCRATCH, count=1)), [123])
    same("FC16 of 32 bits", outcome(pcs.write_registers(SCRATCH_WIDE, [0xFFFE, 0x7961])), 0)
    same("FC3 reads -99999", registers(pcs.read_holding_registers(SCRATCH_WIDE, count=2)), [0xFFFE, 0x7961])
    # (123 AND F0) OR (5 AND NOT F0) = 0x75
    same("FC22", outcome(pcs.mask_write_register(address=SCRATCH, and_mask=0x00F0, or_mask=0x0005)), 0)
    same("FC3 reads the mask's result", registers(pcs.read_holding_registers(SCRATCH, count=1)), [0x75])
    both = pcs.readwrite_registers(read_address=SCRATCH, read_count=2, write_address=SCRATCH, values=[77])
    same("FC23 reads what it wrote", registers(both)[:1], [77])
    same("FC16 puts it back", outcome(pcs.write_registers(SCRATCH_WIDE, [0, 0])), 0)


def identification(checks, pcs):
    same = checks.same
    basic = pcs.read_device_information(read_code=1, object_id=0)
    same("FC43 basic", sorted(basic.information), [0, 1, 2])
    regular = pcs.read_device_information(read_code=2, object_id=0)
    same("FC43 regular begins with the basic one", [regular.information[i] for i in range(3)], list(basic.information.values()))
    same("FC43 regular has name and model", {4, 5} <= set(regular.information), True)
    same("FC43 conformity: regular, single objects", regular.conformity, 0x82)
    extended = pcs.read_device_information(read_code=3, object_id=0)
    same("FC43 extended as far as the device goes", extended.information, regular.information)
    one = pcs.read_device_information(read_code=4, object_id=5)
    same("FC43 one object", one.information, {5: regular.information[5]})
    same("FC43 one that is not there", outcome(pcs.read_device_information(read_code=4, object_id=0x70)), 2)
    same("FC43 from the middle", min(pcs.read_device_information(read_code=2, object_id=4).information), 4)


def refusals(checks, pcs, panel, io):
    same = checks.same
    same("read over the map's end", outcome(pcs.read_holding_registers(65000, count=2)), 2)
    same("read over 65535", outcome(pcs.read_holding_registers(65535, count=2)), 2)
    same("table that is not there", outcome(pcs.read_coils(0, count=1)), 1)
    same("write of a read-only register", outcome(pcs.write_register(PCS_SUNS, 1)), 2)
    same("write out of range", outcome(pcs.write_register(SCRATCH, SCRATCH_MOST + 1)), 3)
    same("half of a 32-bit value", outcome(pcs.write_register(SCRATCH_WIDE, 1)), 2)
    same("mask write of half of it", outcome(pcs.mask_write_register(address=SCRATCH_WIDE, and_mask=0, or_mask=1)), 2)
    same("FC6 sets it", outcome(pcs.write_register(SCRATCH, 55)), 0)
    refused = pcs.readwrite_registers(read_address=65000, read_count=2, write_address=SCRATCH, values=[56])
    same("FC23 with a bad read", outcome(refused), 2)
    same("... has not written", registers(pcs.read_holding_registers(SCRATCH, count=1)), [55])
    mixed = pcs.write_registers(SCRATCH, [57, 5])
    same("FC16 of a good and a bad register", outcome(mixed), 3)
    same("... has written neither", registers(pcs.read_holding_registers(SCRATCH, count=1)), [55])
    same("FC6 puts it back", outcome(pcs.write_register(SCRATCH, 0)), 0)


def raw_refusals(checks, address):
    """Requests pymodbus would not make."""
    reg = struct.pack(">H", SCRATCH)
    for what, pdu, answer in (
        ("FC3 of 0", b"\x03" + reg + b"\x00\x00", b"\x83\x03"),
        ("FC3 of 126", b"\x03" + reg + b"\x00\x7e", b"\x83\x03"),
        ("FC3 with a byte too few", b"\x03" + reg + b"\x00", b"\x83\x03"),
        ("FC16 of 0", b"\x10" + reg + b"\x00\x00\x00", b"\x90\x03"),
        ("FC16 of 124", b"\x10" + reg + b"\x00\x7c\xf8" + bytes(246), b"\x90\x03"),
        ("FC16 with a wrong byte count", b"\x10" + reg + b"\x00\x01\x04\x00\x01", b"\x90\x03"),
        ("FC22 with a byte too few", b"\x16" + reg + b"\x00\x00\x00", b"\x96\x03"),
        ("FC23 reading 126", b"\x17" + reg + b"\x00\x7e" + reg + b"\x00\x01\x02\x00\x00", b"\x97\x03"),
        ("FC23 writing 0", b"\x17" + reg + b"\x00\x01" + reg + b"\x00\x00\x00", b"\x97\x03"),
        ("FC23 with a wrong byte count", b"\x17" + reg + b"\x00\x01" + reg + b"\x00\x01\x04\x00\x00", b"\x97\x03"),
        ("FC43 with access 0", b"\x2b\x0e\x00\x00", b"\xab\x03"),
        ("FC43 of another type", b"\x2b\x0d\x00\x00", b"\xab\x01"),
        ("unknown function 0x41", b"\x41\x00", b"\xc1\x01"),
        ("FC5, which has no table here", b"\x05\x00\x00\x12\x34", b"\x85\x01"),
    ):
        checks.same(what, raw(address, pdu).hex(), answer.hex())


def main(run):
    where = servers(run)
    clients = {name: ModbusTcpClient(host, port=port, timeout=5) for name, (host, port) in where.items()}
    checks = Checks()
    for name, client in clients.items():
        checks.same(f"connected to {name}", client.connect(), True)
    pcs, panel, io = clients["pcs"], clients["fire_panel"], clients["io"]
    functions(checks, pcs, panel, io)
    identification(checks, pcs)
    refusals(checks, pcs, panel, io)
    raw_refusals(checks, where["pcs"])
    for client in clients.values():
        client.close()
    return checks.end("pymodbus")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
