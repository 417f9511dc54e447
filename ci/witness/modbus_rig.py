"""What the Modbus witnesses have in common: where the servers of a live rig listen, registers to try things on, and
counted checks."""

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent

# 704 WMaxLimPctRvrt of the PCS, 0 to 1000: nobody but a witness writes it, and nothing follows from it while its timer is 0.
SCRATCH = 40293
SCRATCH_MOST = 1000
# 704 WSetRvrt, 32 bits, likewise.
SCRATCH_WIDE = 40303
# Last register of the PCS map is model 715's; a read from here runs over the end.
PCS_SUNS = 40000
BMS_LIFE = 30000


def server(run, table, tag):
    """Host and port of a device's server; {cluster} in the rig file is cluster 1 here."""
    rig = tomllib.loads((run / "rig.toml").read_text())
    for device in rig[table]:
        if device["tag"].replace("{cluster}", "01") == tag:
            host, port = device["listen"].replace("{cluster}", "01").rsplit(":", 1)
            return host, int(port)
    raise SystemExit(f"witness: {run}/rig.toml has no {tag}")


def servers(run):
    """The servers the witnesses ask."""
    return {
        "pcs": server(run, "pcs", "container-01/pcs"),
        "fire_panel": server(run, "fire_panel", "container-01/fire-panel"),
        "io": server(run, "remote_io", "container-01/cluster-01/io"),
    }


def install(*packages):
    """Debian packages a witness is made of."""
    subprocess.run([HERE.parent / "install.sh", *packages], check=True)


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = []

    def same(self, what, got, expected):
        if got == expected:
            self.passed += 1
        else:
            self.failed.append(f"{what}: got {got!r}, expected {expected!r}")

    def end(self, who):
        """Says what came of it; the exit code."""
        for problem in self.failed:
            print(f"  FAIL {problem}", file=sys.stderr)
        print(f"  {who}: {self.passed} of {self.passed + len(self.failed)} checks hold")
        return 2 if self.failed or not self.passed else 0
