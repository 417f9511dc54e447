#!/usr/bin/env bash
# The rig on real vcan and TCP, its controllers in processes of their own: features, independent witnesses on the wire,
# the SocketCAN tests, and what a stopped rig and a killed controller amount to. One session of ci/vcan.sh.
#   ci/lane-vcan.sh           the selection that ends within 10 minutes; says what it leaves out
#   BESSRIG_VCAN_ALL=1 ...    every scenario that is not @long
# Evidence goes to BESSRIG_OUT (default: a new temporary folder).
set -euo pipefail
cd "$(dirname "$0")/.."

# Without recordings: an emulated processor has no time for them beside a paced rig. Other lanes make and read them.
clusters=3
rig=scenarios/rigs/liquid-20ft-vcan-$clusters.toml
bessrig=${CARGO_TARGET_DIR:-target}/release/bessrig
long='not @long and not @timed-bus and not @pcs-can and not @enable-chain'
selection="$long and not @panel-only and (not @protection or @catches-late-trip or @catches-no-precharge)"

# ---- inside the session ----------------------------------------------------------------------------------------------

# Runs a scenario of its own and provokes it: stopped or killed.
provoke() {
    local what=$1 out=$2 pid victim='' code=0 k
    cat >"$out/$what.feature" <<'FEATURE'
Feature: Waiting
  Scenario: Eight seconds
    Given 8 s have passed
    When the E-stop is pressed
    Then within 200 ms the safety chain is open
FEATURE
    "$bessrig" test "$out/$what.feature" --rig "$rig" --no-recording --out "$out/$what" --repeats 0 >"$out/$what.txt" 2>&1 &
    pid=$!
    for ((k = 0; k < 100; k++)); do
        [[ -e $out/$what/eight-seconds/bms.log ]] && break
        sleep 0.1
    done
    sleep 3
    if [[ $what == stopped ]]; then
        kill -STOP "$pid"
        sleep 0.5
        kill -CONT "$pid"
    else
        victim=$(pgrep -P "$pid" -f 'host .*container-01/bau' | head -n 1)
        kill -KILL "${victim:?the BMS controller process is not there}"
    fi
    wait "$pid" || code=$?
    echo "$code" >"$out/$what.code"
}

# A record that fails while the rig itself was late says nothing and is repeated, visibly; any other failure stands.
record() {
    local out=$1 python=$2 try
    for try in 1 2 3; do
        rm -rf "$out"
        if ci/witness/record.sh "$bessrig" "$rig" "$python" "$out"; then return; fi
        if ((try == 3)) || ! grep -q '"inconclusive": "' "$out/run/summary.json"; then return 1; fi
        echo "witnesses: try $try came to nothing, the rig was late:" \
            "$(sed -n 's/.*"inconclusive": "\(.*\)".*/\1/p' "$out/run/summary.json"); repeated"
    done
}

inside() {
    local kept=$1 python=$2 can_tests=$3 tags=$4 out=/dev/shm/bessrig code=0
    mkdir -p "$out"
    part() { # NAME COMMAND...: runs it, keeps its exit code, tells the time it took
        local name=$1 begin=$SECONDS rc=0
        shift
        echo "--- $name"
        "$@" || rc=$?
        echo "--- $name: exit code $rc, $((SECONDS - begin)) s"
        ((rc == 0)) || code=1
    }
    part "SocketCAN tests" env BESSRIG_VCAN=1 "$can_tests" --test-threads 1
    part "witnesses record" record "$out/witness" "$python"
    part "rig stopped for 500 ms" provoke stopped "$out"
    part "controller killed" provoke killed "$out"
    part "features" "$bessrig" test --rig "$rig" --tags "$tags" --candump-limit-mb 4 --no-recording --out "$out/features"
    tar -C "$out" -cf "$kept/evidence.tar" .
    return "$code"
}

if [[ ${1:-} == --inside ]]; then
    shift
    inside "$@"
    exit
fi

# ---- outside ---------------------------------------------------------------------------------------------------------

ci/install.sh can-utils mbpoll procps
python=$(ci/witness/venv.sh)

cargo build --release --quiet
can_tests=$(cargo test --release -p bess-fieldbus --test can --no-run 2>&1 |
    sed -n 's/.*Executable.*(\(.*\))$/\1/p')
if [[ ! -x $can_tests ]]; then
    echo "vcan: the test binary of bess-fieldbus was not built" >&2
    exit 1
fi

out=${BESSRIG_OUT:-$(mktemp -d)}/vcan
rm -rf "$out"
mkdir -p "$out"
out=$(realpath "$out")
tags=$selection
echo "vcan: $clusters of 9 clusters: six missed the hard limit in the emulated machine on a busy two-core host"
echo "vcan: left out on wires: @long (hours of rig time)"
if [[ ${BESSRIG_VCAN_ALL:-} == 1 ]]; then
    tags=$long
else
    echo "vcan: left out on wires, because wall time is rig time and the lane has 10 minutes (BESSRIG_VCAN_ALL=1 runs them):"
    echo "vcan:   @panel-only (hold button: no controller takes part), and of the protection feature all but late trip and"
    echo "vcan:   precharge; lane virtual has them"
fi
status=0
begin=$SECONDS
ci/vcan.sh --cores 2 --timeout 1500 -- "$PWD/ci/lane-vcan.sh" --inside "$out" "$python" "$can_tests" "$tags" ||
    status=$?
echo "vcan: session ended with $status after $((SECONDS - begin)) s"
if [[ ! -s $out/evidence.tar ]]; then
    echo "vcan: the session left no evidence" >&2
    exit 1
fi
tar -C "$out" -xf "$out/evidence.tar"
rm "$out/evidence.tar"
failed=()
((status == 0)) || failed+=("session")
echo "vcan: what ran"
"$python" ci/witness/table.py "$out" || failed+=("scenarios")
echo "vcan: what the witnesses saw"
"$python" ci/witness/judge.py "$out/witness" --self-check || failed+=("witnesses")
if ((${#failed[@]})); then
    echo "vcan: FAILED: ${failed[*]}; evidence in $out" >&2
    exit 1
fi
echo "vcan: ok, evidence in $out"
