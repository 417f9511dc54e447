"""Runs node/modbus_serial.js, the npm client below Node-RED's Modbus nodes, against a live rig: `modbus_serial.py RUN`."""

import sys
from pathlib import Path

from modbus_rig import SCRATCH, SCRATCH_WIDE, servers
from npm import node


def main(run):
    where = servers(run)
    return node("modbus_serial.js", *where["pcs"], *where["fire_panel"], SCRATCH, SCRATCH_WIDE).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
