#!/usr/bin/env bash
# Runs a rig live and lets programs that are not ours look at its wires; judge.py says later what they saw.
#   ci/witness/record.sh BESSRIG RIG PYTHON OUT
# For use inside ci/vcan.sh. PYTHON has pysunspec2. Tells on failure what is missing; judges no values.
set -euo pipefail
bessrig=$1 rig=$2 python=$3 out=$4
here=$(cd "$(dirname "$0")" && pwd)
pcs=15020 bau=15010 ems=15050
seconds=10

fail() { echo "witness: $*" >&2; tail -n 5 "$out/run.txt" >&2 || true; exit 1; }
read_registers() { # PORT ADDRESS COUNT
    mbpoll -m tcp -p "$1" -a 1 -0 -t 4 -o 5 -1 -r "$2" -c "$3" 127.0.0.1
}
register() { read_registers "$1" "$2" 1 2>/dev/null | sed -n 's/^\[[0-9]*\]:[[:space:]]*\(-\{0,1\}[0-9]*\).*/\1/p'; }
wait_for() { # WHAT SECONDS PORT ADDRESS VALUE
    local end=$((SECONDS + $2))
    until [[ $(register "$3" "$4") == "$5" ]]; do
        kill -0 "$pid" 2>/dev/null || fail "the rig ended while waiting: $1"
        ((SECONDS < end)) || fail "$1: not within $2 s; register $4 at port $3 is '$(register "$3" "$4")'"
        sleep 2
    done
}

mkdir -p "$out"
"$bessrig" run --rig "$rig" --controllers --out "$out/run" >"$out/run.txt" 2>&1 &
pid=$!
trap 'kill -INT $pid 2>/dev/null || true; wait $pid 2>/dev/null || true' EXIT

sleep 8 # each look costs an emulated machine some of the rig's time
wait_for "the BAU is on standby" 60 "$bau" 30010 1
mbpoll -m tcp -p "$ems" -a 1 -0 -t 4 -o 5 -1 -r 107 127.0.0.1 1 >"$out/mbpoll-start.txt" ||
    fail "mbpoll could not write the start command to the EMS"
sleep 6
wait_for "the BAU is connected" 30 "$bau" 30010 3
sleep 3

candump -L any >"$out/candump.log" &
dump=$!
sleep "$seconds"
kill -INT "$dump"
wait "$dump" || true

read_registers "$pcs" 40000 2 >"$out/mbpoll-pcs-suns.txt" || fail "mbpoll cannot read the PCS"
read_registers "$pcs" 40070 52 >"$out/mbpoll-pcs-103.txt" || fail "mbpoll cannot read model 103 of the PCS"
read_registers "$bau" 40000 2 >"$out/mbpoll-bau-suns.txt" || fail "mbpoll cannot read the BAU"
read_registers "$bau" 40070 64 >"$out/mbpoll-bau-802.txt" || fail "mbpoll cannot read model 802 of the BAU"
"$python" "$here/sunspec.py" "$pcs" "$bau" >"$out/sunspec.json" || fail "pysunspec2 cannot scan"

kill -INT "$pid"
rc=0
wait "$pid" || rc=$?
trap - EXIT
((rc == 0)) || fail "bessrig run ended with $rc"
[[ -s $out/run/summary.json ]] || fail "bessrig run left no summary.json"
