#!/usr/bin/env bash
# Unit, snapshot, property and command-line tests of every crate but the viewer, which has a lane of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

INSTA_UPDATE=no cargo test --workspace --exclude bess-viz --quiet
