"""mbpoll against a live rig: `modbus_mbpoll.py RUN`. Addresses as its users give them: 0-based with -0, and 1-based
without, which must be the next register."""

import re
import subprocess
import sys
from pathlib import Path

from modbus_rig import PCS_SUNS, SCRATCH, SCRATCH_WIDE, Checks, install, servers


def mbpoll(address, *arguments):
    """Values by address, and what it said."""
    host, port = address
    command = ["mbpoll", "-m", "tcp", "-p", str(port), "-a", "1", "-o", "5", "-1", "-q", *arguments]
    # What follows two dashes is written.
    command.insert(command.index("--") if "--" in command else len(command), host)
    done = subprocess.run(command, capture_output=True, text=True)
    values = re.findall(r"^\[(\d+)\]:\s+(\S+)", done.stdout, re.MULTILINE)
    return {int(register): value for register, value in values}, done.stdout + done.stderr, done.returncode


def main(run):
    install("mbpoll")
    where = servers(run)
    pcs, panel, io = where["pcs"], where["fire_panel"], where["io"]
    checks = Checks()

    def reads(what, address, expected, *arguments):
        values, said, _ = mbpoll(address, *arguments)
        checks.same(f"{what} ({said.strip().splitlines()[-1:]})", values, expected)

    def writes(what, address, *arguments):
        _, said, code = mbpoll(address, *arguments)
        checks.same(f"{what}: {said}", (code, "Written" in said), (0, True))

    def refuses(what, address, words, *arguments):
        _, said, _ = mbpoll(address, *arguments)
        checks.same(f"{what}: {said}", words in said, True)

    suns = {PCS_SUNS: "0x5375", PCS_SUNS + 1: "0x6E53"}
    reads("holding registers, hexadecimal", pcs, suns, "-0", "-t", "4:hex", "-r", str(PCS_SUNS), "-c", "2")
    one_based = {address + 1: value for address, value in suns.items()}
    reads("the same, 1-based", pcs, one_based, "-t", "4:hex", "-r", str(PCS_SUNS + 1), "-c", "2")
    writes("FC6", pcs, "-0", "-t", "4", "-r", str(SCRATCH), "--", "456")
    reads("it reads back", pcs, {SCRATCH: "456"}, "-0", "-t", "4", "-r", str(SCRATCH))
    writes("32 bits, high word first", pcs, "-0", "-B", "-t", "4:int", "-r", str(SCRATCH_WIDE), "--", "-123456")
    reads("they read back", pcs, {SCRATCH_WIDE: "-123456"}, "-0", "-B", "-t", "4:int", "-r", str(SCRATCH_WIDE))
    swapped = str(int.from_bytes((-123456).to_bytes(4, "big", signed=True)[2:] + b"\xff\xfe", "big", signed=True))
    reads("low word first is another number", pcs, {SCRATCH_WIDE: swapped}, "-0", "-t", "4:int", "-r", str(SCRATCH_WIDE))
    writes("FC15", panel, "-0", "-t", "0", "-r", "4", "--", "1", "0")
    reads("FC1", panel, {4: "1", 5: "0"}, "-0", "-t", "0", "-r", "4", "-c", "2")
    checks.same("FC2", len(mbpoll(panel, "-0", "-t", "1", "-r", "0", "-c", "17")[0]), 17)
    checks.same("FC4", len(mbpoll(io, "-0", "-t", "3", "-r", "0", "-c", "1")[0]), 1)
    refuses("over the end", pcs, "Illegal data address", "-0", "-t", "4", "-r", "65000", "-c", "2")
    refuses("no such table", pcs, "Illegal function", "-0", "-t", "0", "-r", "0")
    refuses("out of range", pcs, "Illegal data value", "-0", "-t", "4", "-r", str(SCRATCH), "--", "5000")
    writes("puts it back", pcs, "-0", "-t", "4", "-r", str(SCRATCH), "--", "0")
    writes("puts 32 bits back", pcs, "-0", "-B", "-t", "4:int", "-r", str(SCRATCH_WIDE), "--", "0")
    return checks.end("mbpoll")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
