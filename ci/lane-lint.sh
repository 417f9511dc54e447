#!/usr/bin/env bash
# Format, clippy with warnings as errors, the bans on clocks and random orders, dependency directions, shell scripts.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
ci/forbidden-deps.sh
cmp twin/clippy.toml device-emulators/clippy.toml

# A misspelt path in clippy.toml is only a warning to clippy, so a canary must trip every ban.
canary=$(mktemp -d)
trap 'rm -rf "$canary"' EXIT
cp -r ci/canary/. "$canary"
cp twin/clippy.toml "$canary"
bans=$(grep -c 'path =' twin/clippy.toml)
# shellcheck disable=SC2016 # the backquotes are clippy's
caught=$(cd "$canary" && CARGO_TARGET_DIR=$canary/target cargo clippy --quiet --message-format short 2>&1 |
    grep -oE 'use of a disallowed (method|type) `[^`]+`' | sort -u | wc -l)
if ((caught != bans)); then
    echo "lint: clippy.toml bans $bans things, the canary tripped $caught" >&2
    exit 1
fi

# The viewer is built in its own lane only: Bevy takes its time.
cargo clippy --workspace --exclude bess-viz --all-targets --quiet -- -D warnings

if ! command -v shellcheck >/dev/null; then
    ci/install.sh shellcheck
fi
shellcheck ci/*.sh ci/witness/*.sh ci/test ci/bench .ci/run
echo "lint: ok"
