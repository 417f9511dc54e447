#!/usr/bin/env bash
# The viewer, drawn in software without a display: lint, tests, and seven scenes of shipped scenarios and a site compared with the
# pictures in viz/tests/pictures. BESS_VIZ_ACCEPT=1 stores what is drawn: look at it before you keep it.
# Evidence (pictures, differences, recordings) goes to BESSRIG_OUT (default: a new temporary folder).
set -euo pipefail
cd "$(dirname "$0")/.."

ci/install.sh mesa-vulkan-drivers
# software only, wherever it runs: pictures are compared
icd=$(find /usr/share/vulkan/icd.d -name 'lvp_icd*.json' -print -quit)
if [[ -z $icd ]]; then
    echo "viz: mesa-vulkan-drivers is installed, yet there is no lvp_icd*.json in /usr/share/vulkan/icd.d" >&2
    exit 1
fi
export VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd
out=${BESSRIG_OUT:-$(mktemp -d)}/viz
# Bevy with debug symbols would fill gigabytes
export CARGO_PROFILE_DEV_DEBUG=0
rm -rf "$out"
mkdir -p "$out"

cargo clippy -p bess-viz --all-targets --quiet -- -D warnings
INSTA_UPDATE=no cargo test -p bess-viz --quiet

cargo build --release --quiet
bessrig=${CARGO_TARGET_DIR:-target}/release/bessrig
"$bessrig" test features/site/e-stop.feature features/site/grid-loss.feature features/battery/charge-discharge.feature \
    features/battery/thermal-runaway.feature --out "$out/recordings" \
    --tags '(@catches-ignored-estop or @catches-ignores-fire-prewarning or @grid or @cycle) and not @long'
# ninety containers and forty-five stations, from connecting on into a charge
"$bessrig" site jiayuguan --hours 0.03 --record --out "$out/recordings/jiayuguan"

if ! BESS_VIZ_RECORDINGS=$out/recordings BESS_VIZ_EVIDENCE=$out/pictures \
    cargo test -p bess-viz --quiet --test pictures -- --ignored; then
    echo "viz: what was drawn, and where it differs, is in $out/pictures" >&2
    exit 1
fi
echo "viz: ok, evidence in $out"
