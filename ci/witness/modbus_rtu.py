"""pymodbus and mbpoll on the RTU line of a live rig: `modbus_rtu.py RUN`. The line is a pseudo-terminal, so one program
at a time. Values are held against what the BAU says over TCP: it writes the chiller its cells' temperatures."""

import re
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import serial
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException

from modbus_rig import Checks, install, server

CHILLER, PANEL, NOBODY, BROADCAST = 5, 6, 9, 0
# Chiller: temperatures that it is told, 0.1 °C; state. BAU: the same temperatures, level of fire.
TOLD, STATE, STATE_LENGTH = 3, 100, 10
BAU_TEMPERATURES, BAU_FIRE_LEVEL = 30026, 30015
# Panel: level and life counter; coil of the mode, from which nothing follows while nothing burns.
PANEL_LEVEL, PANEL_LIFE, PANEL_MODE = 0, 8, 4


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def line(run):
    """Path and format of the rig's line, and where the BAU listens."""
    rig = tomllib.loads((run / "rig.toml").read_text())
    (found,) = rig["rtu_line"]
    # A pseudo-terminal has no parity; mbpoll does not mind being told of one, pyserial does.
    return found["link"], {"baudrate": found["baud"], "stopbits": found["stop_bits"]}, found["parity"]


def registers(reply):
    return reply.exception_code if reply.isError() else reply.registers


def outcome(reply):
    """0 for success, else the exception code."""
    return reply.exception_code if reply.isError() else 0


def silent(ask):
    """Seconds until a client gives up; none if there is a reply."""
    begin = time.monotonic()
    try:
        ask()
    except ModbusException:
        return time.monotonic() - begin
    return None


def values(checks, client, bau):
    told = registers(client.read_holding_registers(TOLD, count=3, device_id=CHILLER))
    known = registers(bau.read_holding_registers(BAU_TEMPERATURES, count=3))
    near = [abs(a - b) <= 2 for a, b in zip(told, known)]
    checks.same(f"temperatures the BAU tells the chiller: {told}, {known}", near, [True] * 3)
    checks.same("they are temperatures", all(100 < value < 500 for value in told), True)
    state = registers(client.read_holding_registers(STATE, count=STATE_LENGTH, device_id=CHILLER))
    checks.same("state of the chiller", len(state), STATE_LENGTH)
    checks.same("supply between 5 and 45 °C", 50 < state[2] < 450, True)
    level = registers(client.read_holding_registers(PANEL_LEVEL, count=1, device_id=PANEL))
    checks.same("level of fire", level, registers(bau.read_holding_registers(BAU_FIRE_LEVEL, count=1)))
    lives = []
    for _ in range(2):
        lives += registers(client.read_holding_registers(PANEL_LIFE, count=1, device_id=PANEL))
        time.sleep(1.5)
    checks.same(f"the panel's life counter counts: {lives}", lives[0] != lives[1], True)
    checks.same("FC2", outcome(client.read_discrete_inputs(0, count=17, device_id=PANEL)), 0)
    checks.same("FC5 off", outcome(client.write_coil(PANEL_MODE, False, device_id=PANEL)), 0)
    checks.same("FC1 reads it", client.read_coils(PANEL_MODE, count=1, device_id=PANEL).bits[0], False)
    checks.same("FC15", outcome(client.write_coils(PANEL_MODE, [True, False], device_id=PANEL)), 0)
    checks.same("FC1 reads both", client.read_coils(PANEL_MODE, count=2, device_id=PANEL).bits[:2], [True, False])


def refusals(checks, client):
    checks.same("no such address", outcome(client.read_holding_registers(5000, count=1, device_id=CHILLER)), 2)
    checks.same("no such table", outcome(client.read_coils(0, count=1, device_id=CHILLER)), 1)
    checks.same("read-only", outcome(client.write_register(STATE, 1, device_id=CHILLER)), 2)
    checks.same("out of range", outcome(client.write_register(0, 99, device_id=CHILLER)), 3)
    waited = silent(lambda: client.read_holding_registers(STATE, count=1, device_id=NOBODY))
    checks.same("unit that is nobody's is met with silence", waited is not None and waited >= 0.5, True)
    checks.same("the next request is answered", outcome(client.read_holding_registers(STATE, count=1, device_id=CHILLER)), 0)


def raw(checks, path, form):
    """Frames a decent client never sends."""
    ask = bytes([CHILLER, 3]) + struct.pack(">HH", STATE, 1)
    with serial.Serial(path, timeout=1.0, **form) as port:
        for what, sent, length in (
            ("a right frame", ask + crc(ask), 7),
            ("a wrong checksum", ask + bytes(byte ^ 0xFF for byte in crc(ask)), 0),
            ("a checksum in the other order", ask + crc(ask)[::-1], 0),
            ("a frame that is cut", (ask + crc(ask))[:-1], 0),
            ("a right frame again", ask + crc(ask), 7),
        ):
            port.reset_input_buffer()
            begin = time.monotonic()
            port.write(sent)
            got = port.read(7)
            took = time.monotonic() - begin
            checks.same(f"{what} is answered", len(got), length)
            if got:
                checks.same(f"{what}: the reply's checksum", crc(got[:-2]), got[-2:])
                # 8 characters there and 7 back, 11 bits each.
                least = 15 * 11 / form["baudrate"]
                checks.same(f"{what}: not before the line could carry it, {took:.3f} s", took >= least, True)


def polled(checks, path, form, parity):
    """The same with mbpoll."""
    command = ["mbpoll", "-m", "rtu", "-b", str(form["baudrate"]), "-P", parity, "-s", str(form["stopbits"]), "-o", "1"]
    command += ["-0", "-1", "-q"]

    def poll(*arguments):
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
        found = re.findall(r"^\[(\d+)\]:\s+(\S+)", done.stdout, re.MULTILINE)
        return {int(register): value for register, value in found}, done.stdout + done.stderr

    state, said = poll("-a", CHILLER, "-t", "4:hex", "-r", STATE, "-c", STATE_LENGTH, path)
    checks.same(f"mbpoll reads the chiller: {said[-80:]}", sorted(state), list(range(STATE, STATE + STATE_LENGTH)))
    inputs, said = poll("-a", PANEL, "-t", 1, "-r", 0, "-c", 17, path)
    checks.same(f"mbpoll reads the panel: {said[-80:]}", len(inputs), 17)
    _, said = poll("-a", CHILLER, "-t", 4, "-r", 5000, path)
    checks.same(f"mbpoll over the end: {said[-80:]}", "Illegal data address" in said, True)
    _, said = poll("-a", NOBODY, "-t", 4, "-r", STATE, path)
    checks.same(f"mbpoll and a unit that is nobody's: {said[-80:]}", "timed out" in said, True)


def broadcast(checks, client, path, form):
    """A write to all: no reply, and only who has the coil takes it. What the BAU writes by itself would be a race."""
    checks.same("the mode is on", client.read_coils(PANEL_MODE, count=1, device_id=PANEL).bits[0], True)
    write = bytes([BROADCAST, 5]) + struct.pack(">HH", PANEL_MODE, 0)
    client.close()
    with serial.Serial(path, timeout=0.5, **form) as port:
        port.write(write + crc(write))
        checks.same("a broadcast is met with silence", port.read(8), b"")
    client.connect()
    checks.same("a broadcast is taken", client.read_coils(PANEL_MODE, count=1, device_id=PANEL).bits[0], False)
    checks.same("it is put back", outcome(client.write_coil(PANEL_MODE, True, device_id=PANEL)), 0)


def main(run):
    install("mbpoll")
    checks = Checks()
    path, form, parity = line(run)
    host, port = server(run, "bau", "container-01/bau")
    bau = ModbusTcpClient(host, port=port, timeout=5)
    client = ModbusSerialClient(path, timeout=1, retries=0, **form)
    checks.same("connected", (client.connect(), bau.connect()), (True, True))
    values(checks, client, bau)
    refusals(checks, client)
    broadcast(checks, client, path, form)
    client.close()
    bau.close()
    raw(checks, path, form)
    polled(checks, path, form, parity)
    return checks.end("RTU line")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
