"""Recordings read by what is below Foxglove and Lichtblick, and by the rules of PlotJuggler: `mcap_readers.py RUN`. One is made
here from a scenario, to its end; the other is that of the live rig, cut in the middle of a chunk as a crash would. What is
checked is in node/mcap_readers.js."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from modbus_rig import HERE, Checks
from npm import node

ROOT = HERE.parent.parent
SCENARIO = "features/site/e-stop.feature"


def main(run):
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        arguments = ["test", SCENARIO, "--out", folder]
        subprocess.run([os.environ["BESSRIG"], *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        finished = max(folder.rglob("recording.mcap"), key=lambda file: file.stat().st_size)
        live = (run / "recording.mcap").read_bytes()
        cut = folder / "cut.mcap"
        cut.write_bytes(live[: len(live) * 2 // 3 + 7])
        said = node("mcap_readers.js", finished, cut, capture_output=True, text=True)
    if said.returncode:
        print(said.stderr, file=sys.stderr)
        return 1
    for check in json.loads(said.stdout):
        checks.same(check["name"], check["seen"], check["wanted"])
    return checks.end("mcap readers")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
