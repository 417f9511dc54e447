#!/usr/bin/env bash
# Unit, snapshot, property and command-line tests of every crate.
set -euo pipefail
cd "$(dirname "$0")/.."

INSTA_UPDATE=no cargo test --workspace --quiet
