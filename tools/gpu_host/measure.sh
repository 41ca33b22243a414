#!/usr/bin/env bash
# On the GPU host, after train.sh: ONNX and INT8 of every size, their engines, and the benchmark of each.
#   measure.sh ROOT NAME SIZE…      writes ROOT/json/CARD-NAME-SIZE-PRECISION-ROUNDS-rounds.json, and logs
# The trt.* parts of pack.sh lie in ROOT/parts. All engines are begun at once, on all cards; what has not ended
# BUILD_S seconds later is given up. FP32 follows FP16 in one process, for its tactics have been timed then.
set -euxo pipefail
root=$1 name=$2; shift 2
card=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1 | grep -o '[A-Z][0-9]\+' | head -n 1 | tr A-Z a-z)
rounds=${ROUNDS:-2000}; cards=$(nvidia-smi -L | wc -l)
mkdir -p "$root"/{trt,onnx,json,log,engines,images}
cat "$root"/parts/trt.* | xz -dc -T0 | tar xf - -C "$root/trt"
find "$root/reserved/images" -type f | sort | head -n 200 | xargs cp -t "$root/images"
# The host's own Python, or the one of TensorRT, in the repository.
host() { (cd "$root/repo" && PYTHONPATH=$root/site KERAS_BACKEND=jax JAX_PLATFORMS=cpu python3 "$@"); }
trt() { (cd "$root/repo" && PYTHONHOME=$root/trt/py PYTHONPATH=$root/trt/site:$root/repo PYTHONDONTWRITEBYTECODE=1 \
  LD_LIBRARY_PATH=$root/trt/stubs:$root/trt/py/lib:$root/trt/site/tensorrt:${LD_LIBRARY_PATH:-} \
  exec "$root/trt/py/bin/python3.10" -W ignore "$@"); }
bench() { trt -m benchmarks.tensorrt "$root/onnx/$1" --precision "$2" --engines "$root/engines/${3}" "${@:4}"; }
engines() { # SIZE CARD: converts and builds
  local size=$1 net="$root/onnx/$name-$1"
  sed "s/^width *=.*/width=$size/; s/^height *=.*/height=$size/" "$root/net.cfg" > "$net.cfg"
  host run_aimbot.py convert onnx --cfg "$net.cfg" --weights "$root/net.weights" --names "$root/net.names" --out "$net.onnx"
  export CUDA_VISIBLE_DEVICES=$2
  { bench "$name-$size.onnx" fp16 "$size-float" --rounds 2; bench "$name-$size.onnx" fp32 "$size-float" --rounds 2; } &
  host run_aimbot.py convert int8 --model "$net.onnx" --calibration "$root/calibration" --out "$net-int8.onnx"
  bench "$name-$size-int8.onnx" int8 "$size-int8" --rounds 2
  wait
}
number=0
for size in "$@"; do
  (engines "$size" $((number % cards))) > "$root/log/$size" 2>&1 &
  number=$((number + 1))
done
for _ in $(seq "${BUILD_S:-900}"); do [ -n "$(jobs -rp)" ] || break; sleep 1; done
pkill -f benchmarks.tensorrt || true; wait || true
for precision in int8 fp16 fp32; do for size in "$@"; do
  folder=$size-float file=$name-$size.onnx
  [ $precision != int8 ] || { folder=$size-int8 file=$name-$size-int8.onnx; }
  ls "$root/engines/$folder/"*-$precision-*.engine > /dev/null 2>&1 || continue
  bench "$file" $precision "$folder" --rounds "$rounds" --images "$root/images" --validation "$root/reserved" \
    --out "$root/json/$card-$name-$size-$precision-$rounds-rounds.json" > "$root/log/$size-$precision" 2>&1 || true
done; done
