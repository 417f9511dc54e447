#!/usr/bin/env bash
# Speed of the viewer in software, as JSON lines with goals as ci/bench prints them: frames a second in a window of 1280x720
# with all panels while a recording plays, of a container and of a site of ninety; and the time from start to a saved picture.
#   ci/bench-viz.sh [--check]    with --check a missed goal is an error
# Takes bessrig and bess-viz from the release build; BESSRIG and BESS_VIZ name others. Mesa's own overlay counts the frames, so
# nothing in the viewer does. Evidence: overlay files in BESSRIG_OUT (default: a new temporary folder).
set -euo pipefail
cd "$(dirname "$0")/.."

ci/install.sh mesa-vulkan-drivers xvfb
icd=$(find /usr/share/vulkan/icd.d -name 'lvp_icd*.json' -print -quit)
export VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd
[[ -n ${BESSRIG:-} && -n ${BESS_VIZ:-} ]] || cargo build --release --quiet --workspace
target=${CARGO_TARGET_DIR:-target}/release
bessrig=${BESSRIG:-$target/bessrig} viz=${BESS_VIZ:-$target/bess-viz}
out=${BESSRIG_OUT:-$(mktemp -d)}/bench-viz
mkdir -p "$out"
missed=0

# judge NAME VALUE UNIT SIGN GOAL
judge() {
    local met=false
    if awk -v value="$2" -v goal="$5" -v sign="$4" 'BEGIN { exit !(sign == ">=" ? value >= goal : value <= goal) }'; then
        met=true
    else
        missed=1
    fi
    printf '{"name":"%s","value":%.3f,"unit":"%s","goal":"%s %.3f","met":%s}\n' "$1" "$2" "$3" "$4" "$5" "$met"
}

# frames NAME RECORDING GOAL OPTION...: the mean of fifteen seconds, after five to begin
frames() {
    local name=$1 recording=$2 goal=$3 file=$out/$1.fps
    shift 3
    rm -f "$file"
    # the overlay writes a line a second: device, format, frames a second
    VK_INSTANCE_LAYERS=VK_LAYER_MESA_overlay VK_LOADER_LAYERS_ENABLE=VK_LAYER_MESA_overlay \
        VK_LAYER_MESA_OVERLAY_CONFIG=no_display,fps_sampling_period=1000,output_file="$file",fps \
        timeout --signal=INT 21 xvfb-run -a -s '-screen 0 1280x720x24' \
        "$viz" --replay "$recording" --play --layout operator "$@" >"$out/$name.log" 2>&1 || true
    local mean
    mean=$(awk -F', *' 'NR > 6 { sum += $3; n++ } END { if (n < 5) exit 1; print sum / n }' "$file") ||
        { echo "bench-viz: $name: the overlay wrote too little to $file" >&2; exit 1; }
    judge "viz_frames_$name" "$mean" frames/s '>=' "$goal"
}

"$bessrig" test features/battery/thermal-runaway.feature --tags @catches-ignores-fire-prewarning --out "$out/test" >"$out/test.log"
"$bessrig" site jiayuguan --hours 0.03 --record --out "$out" >"$out/site.log"
container=$(echo "$out"/test/one-cell-vents*/recording.mcap)

frames container "$container" 15
frames site "$out/jiayuguan.mcap" 2 --view 9
start=$(date +%s%N)
"$viz" --replay "$container" --screenshot "$out/first.png" --at 75s --size 1280x720
judge viz_start_to_picture "$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { print ns / 1e9 }')" s '<=' 5

if ((missed)) && [[ ${1:-} == --check ]]; then
    exit 1
fi
