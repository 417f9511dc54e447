#!/usr/bin/env bash
# Asserts the direction of dependencies (ARCHITECTURE.md, "Where things are"): what a crate must never pull in, even indirectly.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0

# depends CRATE NAME: whether NAME is in CRATE's normal dependency tree.
depends() {
    local tree
    tree=$(cargo tree --quiet --package "$1" --edges normal --prefix none | awk '{print $1}')
    grep -qx -- "$2" <<<"$tree"
}

# forbid CRATE NAME...: none of NAME may be in CRATE's tree.
forbid() {
    local crate=$1 name
    shift
    for name in "$@"; do
        if depends "$crate" "$name"; then
            echo "forbidden: $crate depends on $name" >&2
            cargo tree --quiet --package "$crate" --edges normal --invert "$name" >&2 || true
            failed=1
        fi
    done
}

forbid bess-types tokio socketcan tokio-modbus bevy cucumber toml can-dbc bess-plant bess-devices bess-rig
forbid bess-plant tokio socketcan tokio-modbus bevy cucumber bess-devices bess-catalogue bess-rig toml can-dbc
forbid bess-catalogue tokio socketcan tokio-modbus bevy cucumber bess-devices bess-rig
forbid bess-validation tokio socketcan tokio-modbus bevy cucumber bess-devices bess-rig
forbid bess-devices tokio socketcan tokio-modbus bevy cucumber bess-plant bess-catalogue bess-rig
forbid bess-rig tokio socketcan tokio-modbus bevy cucumber bess-fieldbus
forbid bess-fieldbus bevy cucumber bess-scenarios
forbid bess-telemetry tokio socketcan tokio-modbus bevy cucumber toml bess-plant bess-devices bess-catalogue bess-rig
forbid bess-scenarios bevy
forbid bess-viz tokio socketcan tokio-modbus cucumber bess-plant bess-devices bess-catalogue bess-rig bess-fieldbus bess-scenarios

# The check must see a dependency that exists.
if ! depends bess-devices bess-types; then
    echo "forbidden-deps: the check does not see that bess-devices depends on bess-types" >&2
    exit 1
fi

((failed == 0)) && echo "forbidden-deps: ok"
exit "$failed"
