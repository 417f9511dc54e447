#!/usr/bin/env bash
# Live rigs on TCP wires and an RTU line, and on their wires programs that are not ours. Each ci/witness/NAME.py gets the
# folder of a running rig: rig.toml says where everything listens, the traces grow while it runs. It prints what it saw and
# exits with 0 if all of it holds. A lane without CAN in the kernel. The rigs, one after the other:
# - buses: CAN and Modbus on TCP, controllers in processes of their own
# - lines: an RTU line, and TLS with certificates made here
#   ci/lane-witness.sh [NAME...]
# Evidence goes to BESSRIG_OUT (default: a new temporary folder).
set -euo pipefail
cd "$(dirname "$0")/.."

# tshark before the others: some of them send requests that are malformed on purpose, which it would rightly report
buses=(tshark_captures mcap_recording mcap_readers socketcand modbus_pymodbus modbus_libmodbus modbus_mbpoll modbus_serial sunspec_scan)
lines=(modbus_rtu modbus_tls tshark_lines)
settled=15 # seconds until the controllers have tested themselves and are on standby
wanted=("$@")
for check in "${wanted[@]}"; do
    [[ " ${buses[*]} ${lines[*]} " == *" $check "* ]] || { echo "witness: there is no $check" >&2; exit 1; }
done

cargo build --release --quiet
export BESSRIG=${CARGO_TARGET_DIR:-target}/release/bessrig
python=$(ci/witness/venv.sh)
out=${BESSRIG_OUT:-$(mktemp -d)}/witness
rm -rf "$out"
mkdir -p "$out"
failed=()

is_wanted() { # NAME
    ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" $1 "* ]]
}

# Runs a rig and the wanted ones of CHECK on it, in $out/NAME.
live() { # NAME RIG CHECK... -- OPTION...
    local name=$1 rig=$2 checks=()
    shift 2
    while (($#)) && [[ $1 != -- ]]; do
        is_wanted "$1" && checks+=("$1")
        shift
    done
    (($#)) && shift
    ((${#checks[@]})) || return 0
    local run=$out/$name/run log=$out/$name/run.txt
    mkdir -p "$out/$name"
    "$BESSRIG" "$@" run --rig "$rig" --controllers --out "$run" --record >"$log" 2>&1 &
    pid=$!
    trap 'kill -INT $pid 2>/dev/null || true; wait $pid 2>/dev/null || true' EXIT
    local end=$((SECONDS + settled + 60))
    until grep -qs "^t $settled\." "$log"; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > end)); then
            cat "$log" >&2
            echo "witness: the rig $name is not running" >&2
            exit 1
        fi
        sleep 0.5
    done

    local check begin
    for check in "${checks[@]}"; do
        begin=$SECONDS
        echo "--- witness $check"
        if "$python" "ci/witness/$check.py" "$run"; then
            echo "--- witness $check: passed, $((SECONDS - begin)) s"
        else
            echo "--- witness $check: FAILED, $((SECONDS - begin)) s"
            failed+=("$check")
        fi
    done

    kill -INT "$pid" 2>/dev/null || true
    wait "$pid" || failed+=("the rig $name itself")
    trap - EXIT
    sed -n "s/.*\"inconclusive\": \"\(.*\)\".*/witness: the rig $name says of itself: \1/p" "$run/summary.json"
}

live buses scenarios/rigs/liquid-20ft-socketcand-3.toml "${buses[@]}"
ci/witness/lines_and_roles.sh "$out/lines"
live lines "$out/lines/rig.toml" "${lines[@]}" -- --data "$out/lines/data"

if ((${#failed[@]})); then
    tail -n 5 "$out"/*/run.txt >&2
    printf 'witness: FAILED: %s; evidence in %s\n' "${failed[*]}" "$out" >&2
    exit 1
fi
echo "witness: ok, evidence in $out"
