#!/usr/bin/env bash
# On the GPU host, after train.sh: SavedModels in TensorFlow 2.14.1, and one of them in TF-TRT.
#   tensorflow.sh ROOT TFTRT PRECISION…     ROOT/saved/NAME-SIZE are the SavedModels, which `convert saved-model` makes
#                                           elsewhere, for it needs a newer TensorFlow; TFTRT is one of these names
# The tf.* parts of pack.sh lie in ROOT/parts. Writes ROOT/json/CARD-tensorflow-NAME-SIZE-… and CARD-tf-trt-….
set -euo pipefail
root=$1 chosen=$2; shift 2
card=$(nvidia-smi --query-gpu=name --format=csv,noheader | awk 'NR == 1 {print tolower($2)}')
rounds=${ROUNDS:-1000}
mkdir -p "$root"/{tf,json,log,images,tftrt}
cat "$root"/parts/tf.* | xz -dc -T0 | tar xf - -C "$root/tf"
find "$root/reserved/images" -type f | sort | sed -n 1,200p | xargs cp -t "$root/images"
[ -d "$root/saved/$chosen" ] || { echo "expected a SavedModel in $root/saved/$chosen, found none" >&2; exit 2; }
libraries=$(printf '%s:' "$root"/tf/site/nvidia/*/lib)
tensorflow() { (cd "$root/repo" && PYTHONHOME=$root/tf/py PYTHONPATH=$root/tf/site:$root/repo PYTHONDONTWRITEBYTECODE=1 \
  LD_LIBRARY_PATH=$root/tf/stubs:$root/tf/py/lib:$libraries$root/tf/site/tensorrt:${LD_LIBRARY_PATH:-} \
  PATH=$root/tf/site/nvidia/cuda_nvcc/bin:$PATH exec "$root/tf/py/bin/python3.10" -W ignore "$@"); }
bench() { tensorflow -m benchmarks.tensorflow "$1" --rounds "$rounds" --images "$root/images" \
  --validation "$root/reserved" --out "$root/json/$card-$2-$rounds-rounds.json" > "$root/log/$2" 2>&1 ||
  echo "measuring $1 failed, see $root/log/$2" >&2; }
for saved in "$root"/saved/*; do bench "$saved" "tensorflow-$(basename "$saved")"; done
for precision in "$@"; do
  out=$root/tftrt/$chosen-$precision calibration=()
  [ "$precision" != int8 ] || calibration=(--calibration "$root/calibration")
  (time tensorflow run_aimbot.py convert tf-trt --saved-model "$root/saved/$chosen" --precision "$precision" \
    "${calibration[@]}" --out "$out") > "$root/log/convert-$precision" 2>&1 ||
    { echo "TF-TRT in $precision failed, see $root/log/convert-$precision" >&2; continue; }
  bench "$out" "tf-trt-$chosen-$precision"
done
