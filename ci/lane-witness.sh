#!/usr/bin/env bash
# A live rig on TCP wires, its controllers in processes of their own, and on its wires programs that are not ours. Each
# ci/witness/NAME.py of `checks` gets the folder of the running rig: rig.toml says where everything listens, the traces
# grow while it runs. It prints what it saw and exits with 0 if all of it holds. A lane without CAN in the kernel.
#   ci/lane-witness.sh [NAME...]
# Evidence goes to BESSRIG_OUT (default: a new temporary folder).
set -euo pipefail
cd "$(dirname "$0")/.."

checks=("$@")
((${#checks[@]})) || checks=(socketcand modbus_pymodbus modbus_libmodbus modbus_mbpoll modbus_serial sunspec_scan tshark_captures)
rig=scenarios/rigs/liquid-20ft-socketcand-3.toml
settled=15 # seconds until the controllers have tested themselves and are on standby

cargo build --release --quiet
bessrig=${CARGO_TARGET_DIR:-target}/release/bessrig
export BESSRIG=$bessrig
python=$(ci/witness/venv.sh)
out=${BESSRIG_OUT:-$(mktemp -d)}/witness
rm -rf "$out"
mkdir -p "$out"

"$bessrig" run --rig "$rig" --controllers --out "$out/run" >"$out/run.txt" 2>&1 &
pid=$!
trap 'kill -INT $pid 2>/dev/null || true; wait $pid 2>/dev/null || true' EXIT
end=$((SECONDS + settled + 60))
until grep -qs "^t $settled\." "$out/run.txt"; do
    if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > end)); then
        cat "$out/run.txt" >&2
        echo "witness: the rig is not running" >&2
        exit 1
    fi
    sleep 0.5
done

failed=()
for check in "${checks[@]}"; do
    begin=$SECONDS
    echo "--- witness $check"
    if "$python" "ci/witness/$check.py" "$out/run"; then
        echo "--- witness $check: passed, $((SECONDS - begin)) s"
    else
        echo "--- witness $check: FAILED, $((SECONDS - begin)) s"
        failed+=("$check")
    fi
done

kill -INT "$pid" 2>/dev/null || true
wait "$pid" || failed+=("the rig itself")
trap - EXIT
sed -n 's/.*"inconclusive": "\(.*\)".*/witness: the rig says of itself: \1/p' "$out/run/summary.json"
if ((${#failed[@]})); then
    tail -n 5 "$out/run.txt" >&2
    printf 'witness: FAILED: %s; evidence in %s\n' "${failed[*]}" "$out" >&2
    exit 1
fi
echo "witness: ok, evidence in $out"
