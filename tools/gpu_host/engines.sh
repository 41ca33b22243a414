#!/usr/bin/env bash
# On the GPU host, after train.sh or `weights.py untrained`: ONNX and INT8 of every size, and their engines.
#   engines.sh ROOT NAME BUILD…      BUILD: SIZE-int8, or SIZE-float for FP16 and then FP32
# The trt.* parts of pack.sh lie in ROOT/parts. CARDS: the cards to build on (0), one engine at a time on each, for
# builds at once wait for each other (docs/tensorrt.md). What has not ended BUILD_S seconds later is given up.
# TIMINGS=OTHER/engines takes over what engines.sh has timed for the same cfg in the folder OTHER when a build begins:
# with untrained weights it can begin before the training has ended.
set -euo pipefail
root=$1 name=$2; shift 2
source "$(dirname "$0")/common.sh"
builds=("$@")
sizes=$(printf '%s\n' "${builds[@]%-*}" | sort -u)
export_onnx() {
  sed "s/^width *=.*/width=$1/; s/^height *=.*/height=$1/" "$root/net.cfg" > "$root/onnx/$name-$1.cfg"
  host run_aimbot.py convert onnx --cfg "$root/onnx/$name-$1.cfg" --weights "$root/net.weights" \
    --names "$root/net.names" --out "$root/onnx/$name-$1.onnx"
}
quantize() {
  host run_aimbot.py convert int8 --model "$root/onnx/$name-$1.onnx" --calibration "$root/calibration" \
    --out "$root/onnx/$name-$1-int8.onnx" || rm -f "$root/onnx/$name-$1-int8.onnx"
  touch "$root/onnx/$name-$1.tried"
}
build() {
  local size=${1%-*}
  while [ "${1#*-}" = int8 ] && [ ! -e "$root/onnx/$name-$size.tried" ]; do sleep 1; done
  mkdir -p "$root/engines/$1"
  [ -z "${TIMINGS:-}" ] || cp "$TIMINGS/$1"/timings-* "$root/engines/$1/" || true
  if [ "${1#*-}" = int8 ]; then
    bench_tensorrt "$name-$size-int8.onnx" int8 "$1" --rounds 2
  else
    bench_tensorrt "$name-$size.onnx" fp16 "$1" --rounds 2 && bench_tensorrt "$name-$size.onnx" fp32 "$1" --rounds 2
  fi
}
lane() { # every n-th of the builds, one after the other, on one card
  local index
  for index in "${!builds[@]}"; do
    [ $((index % ${#lanes[@]})) != "$1" ] || build "${builds[index]}" > "$root/log/${builds[index]}-build" 2>&1 || true
  done
}

rm -rf "$root"/onnx/"$name"-*.tried "$root"/engines/*/*.engine "$root"/onnx/"$name"-*-int8.onnx # of an earlier run
unpack trt & unpacking=$!
exports=()
for size in $sizes; do export_onnx "$size" > "$root/log/$size-onnx" 2>&1 & exports+=($!); done
for pid in "${exports[@]}" $unpacking; do wait "$pid"; done # without one there is nothing to build: ROOT/log says why

set -m # a process group for each job, to end it whole
jobs=()
for size in $(printf '%s\n' "${builds[@]}" | sed -n 's/-int8$//p'); do
  quantize "$size" > "$root/log/$size-quantize" 2>&1 & jobs+=($!)
done
lanes=(${CARDS:-0})
for number in "${!lanes[@]}"; do CUDA_VISIBLE_DEVICES=${lanes[number]} lane "$number" & jobs+=($!); done
for _ in $(seq "${BUILD_S:-1200}"); do [ -n "$(jobs -rp)" ] || break; sleep 1; done
for pid in "${jobs[@]}"; do kill -- "-$pid" 2> /dev/null || true; done
wait
compgen -G "$root/engines/*/*.engine" || { echo "expected engines, none was built; see $root/log" >&2; exit 1; }
