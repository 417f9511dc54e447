#!/usr/bin/env bash
# Fuzzes every target with libFuzzer, led by coverage: ci/fuzz.sh [SECONDS [TARGET...]]
#   SECONDS  for each target, 60 unless told
#   TARGET   names of targets, as in `Target::new(.., "dbc")`; all unless told
# Needs Rust stable and a C++ compiler. Corpora are kept in $BESSRIG_FUZZ_DIR (default: ~/.cache/bessrig/fuzz), so a later
# run goes on where this one ended. An input that fails is named at the end; once mended, put it below fuzz/TARGET of the
# target's crate, where every test run tries it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
folder=${BESSRIG_FUZZ_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/bessrig/fuzz}
host=$(rustc -vV | sed -n 's/^host: //p')

# Counters at every edge, and what is compared with what. --target keeps the flags from build scripts and macros.
flags=(--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module -Ccodegen-units=1
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares)
binaries=$(mktemp)
trap 'rm -f "$binaries"' EXIT
# Test binaries with targets and no others: what does not use libFuzzer lacks the functions that the counters call.
while read -r package; do
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$package/Cargo.toml" | head -n 1)
    built=()
    if grep -qr 'fn fuzz_' "$package/src"; then
        if [[ -e $package/src/lib.rs ]]; then built+=(--lib); else built+=(--bins); fi
    fi
    for file in "$package"/tests/*.rs; do
        if grep -qs 'fn fuzz_' "$file"; then built+=(--test "$(basename "$file" .rs)"); fi
    done
    RUSTFLAGS="${flags[*]}" cargo test --target "$host" --package "$name" "${built[@]}" --no-run --quiet \
        --message-format json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | sort -u >>"$binaries"
done < <(grep -l 'bess-fuzz.workspace' ./*/Cargo.toml ./*/*/Cargo.toml | xargs -n 1 dirname)

failed=() tried=0
while read -r binary; do
    while read -r test; do
        target=${test##*fuzz_}
        target=${target//_/-}
        if (($#)) && [[ " $* " != *" $target "* ]]; then continue; fi
        tried=$((tried + 1))
        mkdir -p "$folder/$target/corpus" "$folder/$target/failed"
        echo "=== $target, $seconds s"
        if BESSRIG_FUZZ_TARGET=$target BESSRIG_FUZZ_CORPUS=$folder/$target/corpus \
            BOLERO_LIBFUZZER_ARGS="$folder/$target/corpus -max_total_time=$seconds -timeout=30 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix=$folder/$target/failed/ -print_final_stats=1 -verbosity=1" \
            "$binary" --exact "$test" --nocapture --test-threads 1 >"$folder/$target/log" 2>&1; then
            sed -n 's/^stat::number_of_executed_units: */inputs tried: /p' "$folder/$target/log"
        else
            failed+=("$target")
            tail -n 25 "$folder/$target/log"
        fi
    done < <("$binary" --list 2>/dev/null | sed -n 's/^\(.*fuzz_[a-z_]*\): test$/\1/p')
done <"$binaries"
((tried)) || { echo "fuzz: no such target: $*" >&2; exit 2; }
if ((${#failed[@]})); then
    echo "fuzz: FAILED: ${failed[*]}; inputs in $folder/TARGET/failed" >&2
    exit 1
fi
echo "fuzz: ok, $tried targets"
