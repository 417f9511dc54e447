"""Runs node/modbus_serial.js, the npm client below Node-RED's Modbus nodes, against a live rig: `modbus_serial.py RUN`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from modbus_rig import HERE, SCRATCH, SCRATCH_WIDE, install, servers


def main(run):
    install(*(package for package in ("nodejs", "npm") if not shutil.which(package.removesuffix("js"))))
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bessrig" / "witness-node"
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "modbus_serial.js"):
        shutil.copy(HERE / "node" / name, cache)
    # Its serial port bindings are optional, and left out.
    subprocess.run(["npm", "ci", "--omit=optional", "--ignore-scripts", "--silent"], cwd=cache, check=True)
    where = servers(run)
    addresses = [*where["pcs"], *where["fire_panel"], SCRATCH, SCRATCH_WIDE]
    return subprocess.run(["node", "modbus_serial.js", *map(str, addresses)], cwd=cache).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
