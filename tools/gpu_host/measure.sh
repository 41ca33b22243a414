#!/usr/bin/env bash
# On the GPU host, after train.sh: ONNX and INT8 of every size, their engines, and the benchmark of each.
#   measure.sh ROOT NAME SIZE…      writes ROOT/json/CARD-NAME-SIZE-PRECISION-ROUNDS-rounds.json, and logs
# The trt.* parts of pack.sh lie in ROOT/parts. All engines are begun at once, on all cards; what has not ended
# BUILD_S seconds later is given up. FP32 follows FP16 in one process group, for its tactics have been timed then.
set -euo pipefail
root=$1 name=$2; shift 2
card=$(nvidia-smi --query-gpu=name --format=csv,noheader | awk 'NR == 1 {print tolower($2)}')
rounds=${ROUNDS:-2000}; cards=$(nvidia-smi -L | wc -l)
mkdir -p "$root"/{trt,onnx,json,log,engines,images}
cat "$root"/parts/trt.* | xz -dc -T0 | tar xf - -C "$root/trt"
find "$root/reserved/images" -type f | sort | sed -n 1,200p | xargs cp -t "$root/images"
# The host's own Python, or the one of TensorRT, in the repository.
host() { (cd "$root/repo" && PYTHONPATH=$root/site KERAS_BACKEND=jax JAX_PLATFORMS=cpu python3 "$@"); }
trt() { (cd "$root/repo" && PYTHONHOME=$root/trt/py PYTHONPATH=$root/trt/site:$root/repo PYTHONDONTWRITEBYTECODE=1 \
  LD_LIBRARY_PATH=$root/trt/stubs:$root/trt/py/lib:$root/trt/site/tensorrt:${LD_LIBRARY_PATH:-} \
  exec "$root/trt/py/bin/python3.10" -W ignore "$@"); }
bench() { trt -m benchmarks.tensorrt "$root/onnx/$1" --precision "$2" --engines "$root/engines/$3" "${@:4}"; }
export_onnx() {
  sed "s/^width *=.*/width=$1/; s/^height *=.*/height=$1/" "$root/net.cfg" > "$root/onnx/$name-$1.cfg"
  host run_aimbot.py convert onnx --cfg "$root/onnx/$name-$1.cfg" --weights "$root/net.weights" \
    --names "$root/net.names" --out "$root/onnx/$name-$1.onnx"
}
build_floats() { bench "$name-$1.onnx" fp16 "$1-float" --rounds 2; bench "$name-$1.onnx" fp32 "$1-float" --rounds 2; }
build_int8() {
  host run_aimbot.py convert int8 --model "$root/onnx/$name-$1.onnx" --calibration "$root/calibration" \
    --out "$root/onnx/$name-$1-int8.onnx"
  bench "$name-$1-int8.onnx" int8 "$1-int8" --rounds 2
}

exports=()
for size in "$@"; do export_onnx "$size" > "$root/log/$size-onnx" 2>&1 & exports+=($!); done
for pid in "${exports[@]}"; do wait "$pid"; done  # without one there is nothing to build: ROOT/log says why

set -m  # a process group for each build, to end it whole
builds=(); number=0
for size in "$@"; do
  export CUDA_VISIBLE_DEVICES=$((number++ % cards))
  build_floats "$size" > "$root/log/$size-float-build" 2>&1 & builds+=($!)
  build_int8 "$size" > "$root/log/$size-int8-build" 2>&1 & builds+=($!)
done
unset CUDA_VISIBLE_DEVICES
for _ in $(seq "${BUILD_S:-900}"); do [ -n "$(jobs -rp)" ] || break; sleep 1; done
for pid in "${builds[@]}"; do kill -- "-$pid" 2> /dev/null || true; done
wait

for precision in int8 fp16 fp32; do for size in "$@"; do
  folder=$size-float file=$name-$size.onnx
  [ $precision != int8 ] || { folder=$size-int8 file=$name-$size-int8.onnx; }
  compgen -G "$root/engines/$folder/*-$precision-*.engine" > /dev/null || continue
  bench "$file" $precision "$folder" --rounds "$rounds" --images "$root/images" --validation "$root/reserved" \
    --out "$root/json/$card-$name-$size-$precision-$rounds-rounds.json" > "$root/log/$size-$precision" 2>&1 ||
    echo "measuring $size in $precision failed, see $root/log/$size-$precision" >&2
done; done
compgen -G "$root/json/$card-$name-*" || { echo "expected engines to measure, none was built; see $root/log" >&2; exit 1; }
