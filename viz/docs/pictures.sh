#!/usr/bin/env bash
# Makes the pictures of README.md anew, from scenarios that are run for them: viz/docs/pictures.sh
# Takes `bessrig` and `bess-viz` from the release build; BESSRIG and BESS_VIZ name others. Draws in software, so that they come out
# alike everywhere.
set -euo pipefail
cd "$(dirname "$0")/../.."

ci/install.sh mesa-vulkan-drivers pngquant
icd=$(find /usr/share/vulkan/icd.d -name 'lvp_icd*.json' -print -quit)
export VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd
target=${CARGO_TARGET_DIR:-target}/release
bessrig=${BESSRIG:-$target/bessrig}
viz=${BESS_VIZ:-$target/bess-viz}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

"$bessrig" test features/battery/charge-discharge.feature features/battery/thermal-runaway.feature features/site/e-stop.feature \
    --out "$out" --tags '(@cycle or @catches-ignores-fire-prewarning or @catches-ignored-estop) and not @long' >"$out/log"

# picture NAME SCENARIO OPTION...: the scenario's folder is named after it
picture() {
    local name=$1 scenario=$2
    shift 2
    "$viz" --replay "$out/$scenario"*/recording.mcap --screenshot "$out/$name.png" --size 1280x720 "$@"
    # 256 colours are enough, and a third of the size
    pngquant --force --speed 1 --output "viz/docs/$name.png" 256 "$out/$name.png"
}

picture normal-charge a-short-cycle --at 50s --view 1
picture runaway one-cell-vents --at 105s --view 2
picture e-stop both-channels-open --at 20s --view 7
