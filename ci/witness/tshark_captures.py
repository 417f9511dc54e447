"""Wireshark's dissectors on what a run leaves: `tshark_captures.py RUN`. `bessrig capture` makes a pcapng of the live
rig's folder as it is at that moment, and of a short scenario in virtual time. tshark must find in it every frame of the
candump logs, which it reads by itself too, and every Modbus message of the trace, with what we say is in them; nothing
malformed, no checksum that is wrong, nothing odd in a TCP stream. Copies that are spoilt on purpose must be caught.
BESSRIG is the binary."""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from modbus_rig import Checks, install

BESSRIG = os.environ.get("BESSRIG", "target/release/bessrig")
SCENARIO = "features/site/e-stop.feature"
STRICT = {
    "ip.check_checksum": "TRUE",
    "tcp.check_checksum": "TRUE",
    "tcp.analyze_sequence_numbers": "TRUE",
    "mbrtu.crc_verification": "TRUE",
    # Which side of an RTU line speaks.
    "mbrtu.tcp.port": "503",
}
CAN_FIELDS = [
    "can.id", "can.flags.xtd", "can.flags.rtr", "can.flags.err", "can.len", "canfd.flags.brs", "canfd.flags.esi", "data.data",
]
# Classes of error frames, lowest bit first.
ERROR_FIELDS = [
    f"can.err.{name}"
    for name in ("tx_timeout", "lostarb", "ctrl", "prot", "trx", "ack", "busoff", "buserror", "restarted")
]
CAN_FIELDS += ERROR_FIELDS

# One of each kind: 11 and 29 bits, no data, remote, error, FD with and without another bit rate, 64 bytes.
EVERY_KIND = """\
(0000000000.000100) every-kind 351#0CE4
(0000000000.000200) every-kind 18FF0001#0011223344556677
(0000000000.000300) every-kind 7FF#
(0000000000.000400) every-kind 123#R
(0000000000.000500) every-kind 20000004#0004000000000000
(0000000000.000600) every-kind 20000000#2B64656C61792020
(0000000000.000700) every-kind 456##0AABB
(0000000000.000800) every-kind 1ABBCCDD##1{}
(0000000000.000900) every-kind 456##2AA
""".format("5A" * 64)


def tshark(path, fields, only=""):
    """Rows of fields; several values of one are joined by commas."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    for key, value in STRICT.items():
        command += ["-o", f"{key}:{value}"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command + (["-Y", only] if only else []), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"witness: tshark on {path}: {done.stderr}")
    return [line.split("|") for line in done.stdout.splitlines()]


def whole_lines(path):
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def frames_of_log(path):
    """What we say is in a candump log: time, identifier or class of error, kind, length, flags of CAN FD, data."""
    frames = []
    for line in whole_lines(path):
        time, _, frame = line.split(" ")
        name, content = frame.split("#", 1)
        number = int(name, 16)
        kind = "extended" if len(name) == 8 else "standard"
        flags = None
        if content.startswith("#"):
            flags, content = int(content[1], 16) & 3, content[2:]
        length = len(content) // 2
        if content.startswith("R"):
            kind, length, content = f"{kind} remote", int(content[1:] or 0), ""
        if len(name) == 8 and number & 0x20000000:
            # Of the bytes tshark makes fields of its own.
            kind, content = "error", ""
        frames.append((time.strip("()"), number & 0x1FFFFFFF, kind, length, flags, content.lower()))
    return frames


def frames_of_capture(path):
    """Frames of each CAN bus."""
    frames = {}
    for bus, *row in tshark(path, ["frame.interface_name", "frame.time_epoch", *CAN_FIELDS], "can || canfd"):
        frames.setdefault(bus, []).append(frame_seen(row))
    return frames


def frames_of_candump(path):
    """Frames of a candump log as tshark reads it itself."""
    return [frame_seen(row) for row in tshark(path, ["frame.time_epoch", *CAN_FIELDS], "can || canfd")]


def frame_seen(row):
    time, identifier, extended, remote, error, length, brs, esi, data, *classes = row
    whole, fraction = time.split(".")
    number = int(identifier) if identifier else sum(1 << bit for bit, on in enumerate(classes) if on == "1")
    kind = "error" if error == "1" else ("extended" if extended == "1" else "standard") + " remote" * (remote == "1")
    flags = int(brs) + 2 * int(esi) if brs else None
    return f"{int(whole):010}.{fraction[:6]}", number, kind, int(length), flags, "" if kind == "error" else data


def messages_of_trace(path):
    """Modbus messages in order of time, each as (direction, who, unit, function, exception, first register, count, values).
    Without broadcasts on lines, which tshark takes for bytes."""
    if not path.is_file():
        return []
    messages = [json.loads(line) for line in whole_lines(path)]
    messages = [message for message in messages if "line" not in message or message["unit"]]
    messages.sort(key=lambda message: message["at"])
    asked = {}
    found = []
    for message in messages:
        pdu = bytes.fromhex(message["pdu"])
        is_reply = message["kind"] == "reply"
        if is_reply and message["number"] not in asked:
            continue
        if not is_reply:
            asked[message["number"]] = pdu
        function, content = pdu[0] & 0x7F, pdu[1:]
        exception = content[0] if pdu[0] & 0x80 else None
        address = count = None
        values = ()
        if exception is None and function in (1, 2, 3, 4) and not is_reply:
            address, count = struct.unpack(">HH", content[:4])
        if exception is None and function in (3, 4) and is_reply:
            values = struct.unpack(f">{content[0] // 2}H", content[1:])
        if exception is None and function in (5, 6, 15, 16):
            address = struct.unpack(">H", content[:2])[0]
        if exception is None and function == 6:
            values = struct.unpack(">H", content[2:4])
        if exception is None and function == 16 and not is_reply:
            values = struct.unpack(f">{content[4] // 2}H", content[5:])
        party = message["server"] if not message.get("line") else message["line"]["name"]
        found.append((is_reply, party, message["unit"], function, exception, address, count, values))
    return found


def messages_of_capture(path):
    """The same as tshark sees it. The address of a read's reply is tshark's own conclusion, and left out."""
    names = dict(name_rows(path))
    rows = tshark(path, [
        "frame.interface_name", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "exported_pdu.src_port",
        "mbtcp.unit_id", "mbrtu.unit_id", "modbus.func_code", "modbus.exception_code", "modbus.reference_num",
        "modbus.word_cnt", "modbus.bit_cnt", "modbus.regval_uint16", "modbus.data",
    ], "modbus")
    found = []
    for (bus, v4_from, v4_to, v6_from, v6_to, port, line_port, unit, line_unit, function, exception, address, words, bits,
         values, data) in rows:
        is_reply = (port or line_port) in ("502", "503")
        server = (v4_from or v6_from) if is_reply else (v4_to or v6_to)
        function, exception = int(function), int(exception) if exception else None
        reads = exception is None and function in (1, 2, 3, 4) and not is_reply
        says_address = reads or exception is None and function in (5, 6, 15, 16)
        registers = exception is None and (function in (3, 4) and is_reply or function == 16 and not is_reply)
        if exception is None and function == 6:
            registers, values = True, str(int(data, 16))
        found.append((
            is_reply,
            names.get(server, server) if port else bus,
            int(unit or line_unit),
            function,
            exception,
            int(address.split(",")[0]) if address and says_address else None,
            int(words or bits) if reads else None,
            tuple(int(value) for value in values.split(",")) if values and registers else (),
        ))
    return found


def name_rows(path):
    """Addresses and the names the capture gives them."""
    done = subprocess.run(["tshark", "-r", str(path), "-q", "-z", "hosts"], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return [row for row in rows if len(row) == 2]


def problems(capture, folder):
    """What tshark does not like about a capture, or finds otherwise than the traces of its folder."""
    found = []
    for what, only in (
        ("malformed", "_ws.malformed || _ws.short"),
        ("TCP analysis", "tcp.analysis.flags"),
        ("checksum", 'tcp.checksum.status == "Bad" || ip.checksum.status == "Bad" || mbrtu.crc16.status == "Bad"'),
        ("expert", '_ws.expert.severity == "Warning" || _ws.expert.severity == "Error"'),
    ):
        odd = tshark(capture, ["frame.number", "_ws.col.Info"], only)
        if odd:
            found.append(f"{what}: {len(odd)} packets, such as {odd[0]}")
    seen = frames_of_capture(capture)
    for log in sorted(folder.glob("*.candump.log")):
        bus = log.name.removesuffix(".candump.log")
        said = frames_of_log(log)
        if seen.get(bus, []) != said:
            found.append(f"{bus}: {len(seen.get(bus, []))} frames, {len(said)} in the log, or others")
    said, seen = messages_of_trace(folder / "modbus.jsonl"), messages_of_capture(capture)
    if Counter(said) != Counter(seen):
        only_said, only_seen = Counter(said) - Counter(seen), Counter(seen) - Counter(said)
        found.append(
            f"Modbus: {len(seen)} messages, {len(said)} in the trace; only there {next(iter(only_said), None)}, "
            f"only here {next(iter(only_seen), None)}"
        )
    return found


def still(run, folder):
    """A copy of the traces: the rig goes on writing, once a second."""
    time.sleep(2)
    folder.mkdir()
    for trace in [*run.glob("*.candump.log"), run / "modbus.jsonl"]:
        shutil.copy(trace, folder)
    return folder


def capture(folder, out):
    subprocess.run([BESSRIG, "capture", folder, "--out", out], check=True, stdout=subprocess.DEVNULL)
    return out


def blocks(capture):
    """Blocks of a pcapng, each as bytes."""
    raw = capture.read_bytes()
    at = 0
    while at < len(raw):
        length = struct.unpack_from("<I", raw, at + 4)[0]
        yield raw[at : at + length]
        at += length


def spoilt(source, out, which, how):
    """A copy in which one packet that `which(link type, data)` takes is another, or none."""
    links, copy, done = [], [], False
    for block in blocks(source):
        kind = struct.unpack_from("<I", block)[0]
        if kind == 1:
            links.append(struct.unpack_from("<H", block, 8)[0])
        if kind == 6 and not done:
            interface, _, _, length = struct.unpack_from("<4I", block, 8)
            data = block[28 : 28 + length]
            if which(links[interface], data):
                done = True
                changed = how(data)
                block = b"" if changed is None else block[:28] + changed + block[28 + length :]
        copy.append(block)
    if not done:
        raise SystemExit(f"witness: {source} has no packet to spoil")
    out.write_bytes(b"".join(copy))
    return out


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def carries_modbus(link, data):
    # Ethernet, IPv4 and TCP without options, and something on it.
    return link == 1 and data[12:14] == b"\x08\x00" and len(data) > 60


def renumbered(data):
    """Another frame identifier."""
    return data[:3] + bytes([data[3] ^ 1]) + data[4:]


def main(run):
    install("tshark")
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="tshark-captures-") as place:
        place = Path(place)
        kinds = place / "kinds"
        kinds.mkdir()
        log = kinds / "every-kind.candump.log"
        log.write_text(EVERY_KIND)
        ours = capture(kinds, place / "kinds.pcapng")
        checks.same("every kind of CAN frame", problems(ours, kinds), [])
        checks.same("the same as tshark reads candump", frames_of_candump(log), frames_of_log(log))

        live = still(run, place / "live")
        virtual = place / "virtual"
        command = [BESSRIG, "test", SCENARIO, "--out", virtual]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        scenario = next(virtual.rglob("modbus.jsonl")).parent
        for name, folder in (("live", live), ("virtual", scenario)):
            made = capture(folder, place / f"{name}.pcapng")
            checks.same(f"{name} rig", problems(made, folder), [])
            said = messages_of_trace(folder / "modbus.jsonl")
            frames = sum(len(frames_of_log(log)) for log in folder.glob("*.candump.log"))
            print(f"  {name}: {frames} CAN frames, {len(said)} Modbus messages, {made.stat().st_size >> 10} KiB")
            checks.same(f"{name}: there is something to see", (frames > 1000, len(said) > 100), (True, True))
            checks.same(f"{name}: devices have names", "container-01/pcs" in dict(name_rows(made)).values(), True)
        for name, log in ((log.name, log) for log in sorted(live.glob("*.candump.log"))):
            whole = place / name
            whole.write_text("".join(line + "\n" for line in whole_lines(log)))
            checks.same(f"{name} as tshark reads it itself", frames_of_candump(whole) == frames_of_log(whole), True)
        again = capture(scenario, place / "again.pcapng")
        checks.same("the same capture again", again.read_bytes() == (place / "virtual.pcapng").read_bytes(), True)

        bad = place / "bad.pcapng"
        for what, which, how in (
            ("a Modbus byte that is another", carries_modbus, flipped),
            ("a Modbus packet that is gone", carries_modbus, lambda _: None),
            ("a CAN identifier that is another", lambda link, _: link == 227, renumbered),
            ("a CAN byte that is another", lambda link, data: link == 227 and len(data) > 8, flipped),
            ("a CAN frame that is gone", lambda link, _: link == 227, lambda _: None),
        ):
            caught = problems(spoilt(place / "virtual.pcapng", bad, which, how), scenario)
            checks.same(f"{what} is caught", bool(caught), True)
            print(f"  {what}: {caught[0] if caught else 'not seen'}")
    return checks.end("tshark")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
