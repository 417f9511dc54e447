"""Makes modbus_libmodbus.c and runs it against a live rig: `modbus_libmodbus.py RUN`."""

import subprocess
import sys
import tempfile
from pathlib import Path

from modbus_rig import HERE, SCRATCH, SCRATCH_WIDE, install, servers


def main(run):
    install("gcc", "libc6-dev", "libmodbus-dev", "pkg-config")
    host, port = servers(run)["pcs"]
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libmodbus"], check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as folder:
        client = Path(folder) / "client"
        source = HERE / "modbus_libmodbus.c"
        subprocess.run(["cc", "-Wall", "-Werror", "-o", client, source, *flags.stdout.split()], check=True)
        return subprocess.run([client, host, *map(str, (port, SCRATCH, SCRATCH_WIDE))]).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
