#!/usr/bin/env bash
# Speed of codecs and wires beside other implementations; JSON lines as ci/bench, of which it is a part.
#   ci/bench-wires.sh [--check] [PART...]   parts: dbc, modbus, can; all unless told
# dbc: frames per second beside cantools. modbus: requests per second beside plain tokio-modbus and libmodbus, a thousand
# endpoints, idle and slow connections. can: lateness of frames due every 10 ms on vcan0; where the kernel has no vcan0 it
# says so, and its goal is neither met nor missed but not shown.
set -euo pipefail
cd "$(dirname "$0")/.."

check=()
if [[ ${1:-} == --check ]]; then
    check=(--check)
    shift
fi
(($#)) || set -- dbc modbus can
release=${CARGO_TARGET_DIR:-target}/release
missed=0
# In front of what else runs on this machine, where permitted: servers of one thread and of two suffer differently from it.
fifo=()
if chrt -f 10 true 2>/dev/null; then
    fifo=(chrt -f 10)
else
    echo "bench-wires: SCHED_FIFO is not permitted here; other processes of this machine are in the figures" >&2
fi

for part; do
    case $part in
    dbc)
        python=$(ci/witness/venv.sh)
        cargo build --release --quiet --package bess-devices --example codec_rate
        taskset -c 0 "$python" ci/bench-wires/dbc.py "$release/examples/codec_rate" \
            device-emulators/data/dbc/rig-cluster.dbc "${check[@]}" || missed=1
        ;;
    modbus)
        ci/install.sh gcc libmodbus-dev pkg-config
        cargo build --release --quiet --package bess-scenarios --bin bessrig
        cargo build --release --quiet --package bess-fieldbus --example wires
        # shellcheck disable=SC2046 # several words
        gcc -O2 -Wall -Werror ci/bench-wires/libmodbus_server.c -o "$release/libmodbus_server" \
            $(pkg-config --cflags --libs libmodbus)
        ulimit -n "$(ulimit -H -n)"
        "${fifo[@]}" taskset -c 1 "$release/examples/wires" run "$release/bessrig" "$release/libmodbus_server" "${check[@]}" ||
            missed=1
        ;;
    can)
        cargo build --release --quiet --package bess-fieldbus --example can_lateness
        if [[ ! -e /sys/class/net/vcan0 ]]; then
            echo '{"name":"can_send_lateness_p99","value":null,"unit":"us","goal":"<= 500.000","met":null}'
            echo "bench-wires: can_send_lateness NOT SHOWN: there is no vcan0;" \
                "try ci/vcan.sh -- $release/examples/can_lateness vcan0 30" >&2
            continue
        fi
        "${fifo[@]}" "$release/examples/can_lateness" vcan0 30 "${check[@]}" || missed=1
        ;;
    *)
        sed -n '2,7s/^# //p' "$0" >&2
        exit 2
        ;;
    esac
done
exit "$missed"
