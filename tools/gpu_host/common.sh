# What the scripts here share; they set `root` before they read it.
mkdir -p "$root"/{onnx,engines,json,log}
card=$(nvidia-smi --query-gpu=name --format=csv,noheader | awk 'NR == 1 {print tolower($2)}')
# The host's own Python, in the repository.
host() { (cd "$root/repo" && PYTHONPATH=$root/site KERAS_BACKEND=jax JAX_PLATFORMS=cpu python3 "$@"); }
# Unpacks the parts of a pack, once, whoever asks first.
unpack() { (flock 9; [ -d "$root/$1/site" ] || { mkdir -p "$root/$1.new"
  cat "$root/parts/$1".* | xz -dc -T0 | tar xf - -C "$root/$1.new"; mv "$root/$1.new" "$root/$1"; }) 9> "$root/$1.lock"; }
# The Python of a pack, with the libraries in $2.
packed() { (cd "$root/repo" && PYTHONHOME=$root/$1/py PYTHONPATH=$root/$1/site:$root/repo PYTHONDONTWRITEBYTECODE=1 \
  LD_LIBRARY_PATH=$root/$1/stubs:$root/$1/py/lib:$2$root/trt/site/tensorrt:${LD_LIBRARY_PATH:-} \
  exec "$root/$1/py/bin/python3.10" -W ignore "${@:3}"); }
# The pictures that `detect` is timed on.
gather_images() { mkdir -p "$root/images"; find "$root/reserved/images" -type f | sort | sed -n 1,200p | xargs cp -t "$root/images"; }
bench_tensorrt() { packed trt "" -m benchmarks.tensorrt "$root/onnx/$1" --precision "$2" --engines "$root/engines/$3" "${@:4}"; }
