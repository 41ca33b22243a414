#!/usr/bin/env bash
# On the GPU host: labelled frames, and a training of a cfg on them by JAX.
#   train.sh ROOT       ROOT/repo is this repository, ROOT/net.cfg the network; the wheels.* of pack.sh lie in ROOT/parts
# Writes ROOT/net.weights (rounded to 10 bits of mantissa), ROOT/reserved (labelled frames to measure on), ROOT/calibration and ROOT/pieces.
set -euxo pipefail
root=$1; cd "$root/repo"
cat "$root"/parts/wheels.* | tar xf - -C "$root"
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$root/site" "$root"/wheels/*.whl
export PYTHONPATH=$root/site:$root/repo PYTHONUNBUFFERED=1 KERAS_BACKEND=jax XLA_PYTHON_CLIENT_PREALLOCATE=false
python3 -m arena.dataset --out "$root/train" --split train --frames "${FRAMES:-22000}" --seed 41
python3 -m arena.dataset --out "$root/reserved" --split reserved --frames "${RESERVED:-600}" --seed 1 & reserved=$!
mkdir -p "$root/calibration" "$root/trained"
find "$root/train/images" -type f | sort | awk -v step="$((${FRAMES:-22000} / 64))" 'NR % step == 0' | sed -n 1,64p |
  xargs cp -t "$root/calibration"
python3 run_aimbot.py train --data "$root/train" --cfg "$root/net.cfg" --out "$root/trained/net.weights" \
  --minutes "${MINUTES:-8}" --batch "${BATCH:-32}" --peak-rate 1e-3
wait "$reserved"
mkdir -p "$root/pieces"; python3 tools/gpu_host/weights.py pack "$root/trained/net.weights" "$root/pieces"
mv "$root"/trained/net.* "$root/"
