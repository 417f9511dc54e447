#!/usr/bin/env bash
# Every container of the catalogue at rated power through one charge and one discharge, two rigs at a time, the longest
# first; the two cabinets with 44 °C outside too; then a battery that is data files alone.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${BESSRIG_OUT:-$(mktemp -d)}
presets=(
    air-45ft-1254 liq-20ft-1267 air-20ft-762 air-20ft-1254 air-40ft-1254 air-20ft-272S air-10ft-762 air-10ft-272S
    ci-air-200 ci-liq-211 ci-air-200-hot ci-liq-211-hot
)

cargo build --release --quiet
export out bessrig=${CARGO_TARGET_DIR:-target}/release/bessrig
mkdir -p "$out/presets"

# shellcheck disable=SC2016  # expanded by the shells that xargs starts
printf '%s\n' "${presets[@]}" | xargs -P 2 -I{} bash -c '
    start=$SECONDS
    if "$bessrig" test features/battery/preset-cycle.feature --tags @preset --rig "scenarios/rigs/{}.toml" \
        --out "$out/presets/{}" --candump-limit-mb 1 > "$out/presets/{}.log" 2>&1; then
        echo "{}: ok in $((SECONDS - start)) s"
    else
        cat "$out/presets/{}.log"
        echo "{}: FAILED"
        exit 1
    fi'

own=scenarios/examples/own-battery
"$bessrig" test "$own/own-battery.feature" --rig "$own/own-battery.toml" --data "$own" --out "$out/own-battery"
echo "presets: ok, evidence in $out"
