#!/usr/bin/env bash
# On the GPU host, after engines.sh: the benchmark of each engine, one after the other, on the first card.
#   measure.sh ROOT NAME SIZE…      writes ROOT/json/CARD-NAME-SIZE-PRECISION-ROUNDS-rounds.json
set -euo pipefail
root=$1 name=$2; shift 2
source "$(dirname "$0")/common.sh"
rounds=${ROUNDS:-2000}
gather_images
for precision in int8 fp16 fp32; do for size in "$@"; do
  folder=$size-float file=$name-$size.onnx
  [ $precision != int8 ] || { folder=$size-int8 file=$name-$size-int8.onnx; }
  compgen -G "$root/engines/$folder/*-$precision-*.engine" > /dev/null || continue
  bench_tensorrt "$file" $precision "$folder" --rounds "$rounds" --images "$root/images" \
    --validation "$root/reserved" --out "$root/json/$card-$name-$size-$precision-$rounds-rounds.json" \
    > "$root/log/$size-$precision" 2>&1 || echo "measuring $size in $precision failed, see $root/log/$size-$precision" >&2
done; done
compgen -G "$root/json/$card-$name-*" || { echo "expected figures, measured none; see $root/log" >&2; exit 1; }
