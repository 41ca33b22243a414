#!/usr/bin/env bash
# What a GPU host without a network needs to train a cfg and to measure it (docs/performance.md, "How to measure it"):
#
#   tools/gpu_host/pack.sh OUT    writes parts of 52 MB: OUT/wheels.* for the host's CPython 3.12, OUT/trt.* and OUT/tf.*
#                                 of a CPython 3.10 with TensorRT 8.5.3.1, and with TensorFlow 2.14.1, which takes its
#                                 TensorRT from the first
#
# It needs a CPython 3.10 here (PYTHON310=…), gcc, xz and PyPI.
set -euo pipefail
out=$(realpath -m "${1:?usage: pack.sh OUT}")
python310=${PYTHON310:-$(ls -d "$HOME"/.pyenv/versions/3.10.*/bin/python3.10 2>/dev/null | tail -n 1 || true)}
[ -x "$python310" ] || { echo "expected a CPython 3.10, found none: set PYTHON310 to one" >&2; exit 2; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/wheels"

platforms=(); for glibc in 39 34 31 28 27 24 17; do platforms+=(--platform "manylinux_2_${glibc}_x86_64"); done
"$python310" -m pip -q download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
  "${platforms[@]}" --platform manylinux2014_x86_64 --platform manylinux1_x86_64 -d "$work/wheels" \
  keras==3.15.1 absl-py namex optree h5py==3.14.0 vizdoom==1.3.2 pydantic==2.11.7 pydantic_core==2.33.2 \
  annotated-types typing-inspection typing_extensions annotated-doc typer rich markdown-it-py mdurl pygments \
  shellingham click tomlkit faster-coco-eval==1.8.0 tqdm psutil mss pynput python-xlib six lapx==0.11.1
rm -f "$out"/wheels.*; tar cf - -C "$work" wheels | split -b 52000000 -d - "$out/wheels."

# A CPython 3.10 that runs from any folder, in $1.
pack_python() {
  local prefix ffi; prefix=$("$python310" -c 'import sys; print(sys.base_prefix)')
  mkdir -p "$1/site" "$1/stubs" "$1/py/bin" "$1/py/lib"
  cp "$prefix/bin/python3.10" "$1/py/bin/"; cp -r "$prefix/lib/python3.10" "$1/py/lib/"
  rm -rf "$1"/py/lib/python3.10/{test,idlelib,ensurepip,site-packages} "$1"/py/lib/python3.10/config-*
  cp "$prefix/lib/libpython3.10.so.1.0" "$1/py/lib/" 2>/dev/null || true
  ffi=$(ldconfig -p | awk '/libffi.so.8/ && !n++ {print $NF}'); [ -z "$ffi" ] || cp -L "$ffi" "$1/py/lib/"
  "$python310" -m pip -q install --target "$1/site" --no-deps tensorrt==8.5.3.1 faster-coco-eval==1.8.0 mss==10.2.0
  "$python310" -m pip -q install --target "$1/site" opencv-python-headless==4.10.0.84 pydantic==2.11.7 onnx==1.16.2 \
    'protobuf<5' rich==14.0.0 typer==0.20.0 pyyaml psutil==7.0.0 "${@:2}"
}

# A library $2 in $1/stubs that gives what the loader asks for, so that the real one of hundreds of MB stays here.
stub() { { echo "int stub_of_${2//[.]/_};"; cat; } |
  gcc -w -shared -fPIC -x c - -o "$1/stubs/$2" -Wl,-soname,"$2" ${3:+-Wl,--version-script="$3"}; }

split_into() { find "$1" -name __pycache__ -prune -exec rm -rf {} +; rm -f "$2"*; tar cf - -C "$1" . | xz -T0 -1 | split -b 52000000 -d - "$2"; }

pack_python "$work/trt" numpy==1.23.5 'cuda-bindings>=12.8,<13'
plugin=$work/trt/site/tensorrt/libnvinfer_plugin.so.8
for library in libcublas.so.11 libcublasLt.so.11 libcudnn.so.8; do  # not among the tactics: detection/engines/build.py
  echo "$library { global: *; };" > "$work/map"
  nm -D --undefined-only "$plugin" | awk '{print $2}' | sed -n "s/@$library\$//p" | sort -u |
    sed 's/.*/int &(void){return 1;}/' | stub "$work/trt" "$library" "$work/map"
done
split_into "$work/trt" "$out/trt."

pack_python "$work/tf" numpy==1.26.4 astunparse flatbuffers 'gast!=0.5.0' google-pasta h5py ml-dtypes==0.2.0 opt-einsum \
  packaging six termcolor 'wrapt<1.15' 'grpcio<2' absl-py requests tensorflow-io-gcs-filesystem
"$python310" -m pip -q install --target "$work/tf/site" --no-deps tensorflow==2.14.1 tensorflow-estimator==2.14.0 \
  keras==2.14.0 tensorboard==2.14.1 nvidia-cublas-cu11==11.11.3.6 nvidia-cuda-cupti-cu11==11.8.87 \
  nvidia-cuda-nvcc-cu11==11.8.89 nvidia-cuda-runtime-cu11==11.8.89 nvidia-cudnn-cu11==8.7.0.84 nvidia-nccl-cu11==2.16.5
rm -rf "$work"/tf/site/tensorrt* "$work/tf/site/tensorflow/include" "$work"/tf/site/nvidia/cudnn/{include,lib/libcudnn_adv_*,lib/*_train*}
for library in libcufft.so.10 libcurand.so.10 libcusolver.so.11 libcusparse.so.11; do
  stub "$work/tf" "$library" < /dev/null
done
split_into "$work/tf" "$out/tf."
ls -l "$out"
