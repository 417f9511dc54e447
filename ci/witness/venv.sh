#!/usr/bin/env bash
# Prints the path of a Python that has what ci/witness/requirements.txt asks for; makes it the first time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wanted=$here/requirements.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bessrig
venv=$cache/witness-$(sha256sum "$wanted" | cut -c 1-12)

if [[ ! -e $venv/complete ]]; then
    echo "witness: $(tr '\n' ' ' <"$wanted")into $venv (once)" >&2
    "$here/../install.sh" python3-venv >&2
    rm -rf "$venv"
    mkdir -p "$cache"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
    touch "$venv/complete"
fi
echo "$venv/bin/python"
