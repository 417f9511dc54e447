#!/usr/bin/env bash
# Every shipped feature on the virtual rig, then the self-test: broken controllers must be caught.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${BESSRIG_OUT:-$(mktemp -d)}

cargo build --release --quiet
bessrig=${CARGO_TARGET_DIR:-target}/release/bessrig
"$bessrig" test --out "$out/virtual"
"$bessrig" test features/rig/can-faults.feature --tags @timed-bus --rig scenarios/rigs/liquid-20ft-timed.toml --out "$out/timed-bus"
"$bessrig" test features/battery/bms-to-pcs.feature --tags @pcs-can --rig scenarios/rigs/ci-air-200-pcs-can.toml --out "$out/pcs-can"
"$bessrig" test features/battery/id-assignment.feature --tags @enable-chain --rig scenarios/rigs/liquid-20ft-enable-chain.toml --out "$out/enable-chain"
vendor=scenarios/examples/vendor
"$bessrig" test "$vendor/vendor.feature" --rig "$vendor/vendor.toml" --data "$vendor" --out "$out/vendor"
"$bessrig" selftest --out "$out/selftest"
echo "virtual: ok, evidence in $out"
