"""A SavedModel of a cfg before its training, and the same with trained weights, made on the GPU host itself.

saved.py untrained CFG NAMES DIR         where Keras 3 is; a few MB once compressed
saved.py fill DIR FILE.weights OUT       where any TensorFlow is; FILE.cfg lies beside the weights
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

from converters.onnx import describe_model
from converters.saved_model import build_folded_network, fold_convolutions, save_network
from detection.darknet import read_cfg
from detection.saved_model import write_metadata
from detection.weights import Convolution, read_convolutions, read_weights

ORDER = "variables.json"
"""In the folder: which layer's kernel or bias each variable is."""


def untrained(cfg: Path, names: Path, out: Path) -> None:
    """Kernels of one size and either sign: as fast as any others, and compressible."""
    from detection.network import build_network

    config = read_cfg(cfg)
    random = np.random.default_rng(1)
    layers = {
        index: Convolution(
            random.choice(np.array([-1, 1], np.float32), layer.kernel.shape) * layer.kernel.std(),
            layer.bias,
            layer.norm,
        )
        for index, layer in read_convolutions(build_network(config), config).items()
    }
    network = build_folded_network(config, layers)
    out.mkdir(parents=True)
    save_network(network, config, out)
    write_metadata(out, describe_model(config, tuple(names.read_text().split())))
    (out / ORDER).write_text(json.dumps([variable.path for variable in network.variables]))


def fill(saved: Path, weights: Path, out: Path) -> None:
    """The SavedModel with other weights."""
    import tensorflow as tf

    config = read_cfg(weights.with_suffix(".cfg"))
    layers = fold_convolutions(config, read_weights(config, weights))
    loaded = tf.saved_model.load(str(saved))
    order = json.loads((saved / ORDER).read_text())
    for path, variable in zip(order, loaded.variables_of_network, strict=True):
        layer, kind = path.split("/")[-2:]
        one = layers[int(layer.removeprefix("conv_"))]
        variable.assign(one.kernel.transpose(2, 3, 1, 0) if kind == "kernel" else one.bias)
    tf.saved_model.save(loaded, str(out), signatures=loaded.signatures["serving_default"])
    shutil.copytree(saved / "assets.extra", out / "assets.extra", dirs_exist_ok=True)


if __name__ == "__main__":
    {"untrained": untrained, "fill": fill}[sys.argv[1]](*map(Path, sys.argv[2:]))
