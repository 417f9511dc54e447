"""Programs of npm as witnesses: node/package.json says which."""

import os
import shutil
import subprocess
from pathlib import Path

from modbus_rig import HERE, install


def node(script, *arguments, **options):
    """Runs a script of the folder node, with what node/package-lock.json names."""
    install(*(package for package in ("nodejs", "npm") if not shutil.which(package.removesuffix("js"))))
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bessrig" / "witness-node"
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", script):
        shutil.copy(HERE / "node" / name, cache)
    # The serial port bindings of modbus-serial are optional, and left out.
    subprocess.run(["npm", "ci", "--omit=optional", "--ignore-scripts", "--silent"], cwd=cache, check=True)
    return subprocess.run(["node", script, *map(str, arguments)], cwd=cache, **options)
