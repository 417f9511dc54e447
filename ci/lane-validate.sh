#!/usr/bin/env bash
# The twin against published, derived and assumed figures, and its cell against PyBaMM on two sets of other people.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${BESSRIG_OUT:-$(mktemp -d)}/validate
mkdir -p "$out"

cargo build --release --quiet
bessrig=${CARGO_TARGET_DIR:-target}/release/bessrig
status=0
"$bessrig" validate --out "$out" || status=$?

ci/install.sh python3-venv
wanted=ci/witness/pybamm-requirements.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bessrig
venv=$cache/pybamm-$(sha256sum "$wanted" | cut -c 1-12)
if [[ ! -e $venv/complete ]]; then
    echo "validate: PyBaMM into $venv (once)"
    rm -rf "$cache"/pybamm-*
    mkdir -p "$cache"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    # the example cells of the BPX format come with the sources only
    bpx=$(grep '^bpx==' "$wanted")
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary bpx --dest "$venv" "$bpx"
    tar -C "$venv" -xzf "$venv/${bpx/==/-}.tar.gz"
    touch "$venv/complete"
fi
peer=$(echo "$venv"/bpx-*/examples/lfp_18650_cell_BPX.json)
"$venv/bin/python" ci/witness/cell_pybamm.py "$bessrig" "$out/pybamm" "$peer" || status=$?
if ((status != 0)); then
    echo "validate: FAILED, report in $out" >&2
    exit 1
fi
echo "validate: ok, report in $out"
