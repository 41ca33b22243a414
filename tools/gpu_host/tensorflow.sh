#!/usr/bin/env bash
# On the GPU host, after train.sh: a SavedModel in TensorFlow 2.14.1 and in TF-TRT.
#   tensorflow.sh ROOT NAME-SIZE RUNTIME…      RUNTIME: tensorflow, or a precision of TF-TRT: fp32, fp16, int8
# ROOT/untrained is what `saved.py untrained` makes elsewhere of ROOT/net.cfg, for it needs a newer TensorFlow; it gets
# the weights of train.sh here. The parts of pack.sh lie in ROOT/parts. Writes ROOT/json/CARD-tensorflow-NAME-SIZE-… and
# CARD-tf-trt-NAME-SIZE-PRECISION-….
set -euo pipefail
root=$1 model=$2; shift 2
source "$(dirname "$0")/common.sh"
rounds=${ROUNDS:-1000}
unpack trt; unpack tf; [ -d "$root/images" ] || gather_images
libraries=$(printf '%s:' "$root"/tf/site/nvidia/*/lib)
export PATH=$root/tf/site/nvidia/cuda_nvcc/bin:$PATH
(flock 9; [ -d "$root/saved/$model" ] || { # once, whoever asks first
  CUDA_VISIBLE_DEVICES= packed tf "$libraries" tools/gpu_host/saved.py fill \
    "$root/untrained" "$root/net.weights" "$root/saved/$model.new" > "$root/log/fill" 2>&1
  mv "$root/saved/$model.new" "$root/saved/$model"; }) 9> "$root/fill.lock"
bench() { packed tf "$libraries" -m benchmarks.tensorflow "$1" --rounds "$rounds" --images "$root/images" \
  --validation "$root/reserved" --out "$root/json/$card-$2-$rounds-rounds.json" > "$root/log/$2" 2>&1 ||
  echo "measuring $1 failed, see $root/log/$2" >&2; }
for runtime in "$@"; do
  [ "$runtime" != tensorflow ] || { bench "$root/saved/$model" "tensorflow-$model"; continue; }
  out=$root/tftrt/$runtime/$model calibration=()
  [ "$runtime" != int8 ] || calibration=(--calibration "$root/calibration")
  mkdir -p "$root/tftrt/$runtime"
  (time packed tf "$libraries" run_aimbot.py convert tf-trt --saved-model "$root/saved/$model" \
    --precision "$runtime" "${calibration[@]}" --out "$out") > "$root/log/convert-$model-$runtime" 2>&1 ||
    { echo "TF-TRT in $runtime failed, see $root/log/convert-$model-$runtime" >&2; continue; }
  bench "$out" "tf-trt-$model-$runtime"
done
