"""Darknet cfg and weights to the deploy ONNX: captured pixels in, raw heads out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capture.errors import UserError, missing_package
from converters.export import export_graph
from detection.darknet import DarknetConfig, read_cfg
from detection.weights import fill_network, read_convolutions, read_weights

TOLERANCE = 1e-3


def convert_onnx(cfg: Path, weights: Path | None, class_names: Sequence[str], out: Path) -> Path:
    """Write the deploy ONNX of a Darknet model and return its path; random weights if `weights` is None.

    The graph takes `images`, uint8 (1, H, W, 3) BGR, and gives `head_0`, ..., float32 (1, h, w,
    A * (5 + C)) in the cfg's order; cfg and class names travel in its metadata. UserError for a missing
    package, a malformed cfg, weights of another cfg, names that do not fit the classes, and a graph that
    does not agree with Keras.
    """
    config = read_cfg(cfg)
    if len(class_names) != config.heads[0].classes:
        raise UserError(f"expected {config.heads[0].classes} class names for {cfg}, got {len(class_names)}")
    network = build_loaded_network(config, weights)
    model = export_graph(config, read_convolutions(network, config))
    write_metadata(
        model,
        {
            "darknet_cfg": config.text,
            "class_names": "\n".join(class_names),
            "producer": "local-aim-assistant",
            "precision": "fp32",
        },
    )
    difference = measure_difference(model, network, config)
    if not difference <= TOLERANCE:
        raise UserError(
            f"expected ONNX and Keras to agree within {TOLERANCE} of the largest value of each head, "
            f"they differ by {difference:.2g}"
        )
    return save_model(model, out)


def build_loaded_network(config: DarknetConfig, weights: Path | None) -> Any:
    """The cfg's Keras model with its weights; UserError if a package that converting needs is missing."""
    # Keras takes seconds to import, and TensorFlow speaks meanwhile: a wrong file is worth one line before.
    convolutions = read_weights(config, weights) if weights else {}
    try:
        import onnx  # noqa: F401  # said before any work is done
        import onnxruntime  # noqa: F401

        from detection.network import build_network
    except ImportError as error:
        raise missing_package("converting", error.name, "convert") from error
    network = build_network(config)
    fill_network(network, convolutions)
    return network


def write_metadata(model: Any, values: Mapping[str, str]) -> None:
    """Set keys of an ONNX model's metadata_props, and keep the others."""
    kept = {prop.key: prop.value for prop in model.metadata_props} | dict(values)
    del model.metadata_props[:]
    for key, value in kept.items():
        model.metadata_props.add(key=key, value=value)


def read_onnx(path: Path) -> Any:
    """An ONNX model; UserError if the file is of another kind, or a package is missing."""
    try:
        import onnx
    except ImportError as error:
        raise missing_package("converting", error.name, "convert") from error
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's errors share no public base
        raise UserError(f"expected an ONNX model in {path}, got another kind of file") from error


def save_model(model: Any, out: Path) -> Path:
    """Write an ONNX model; the folder is made if need be."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(model.SerializeToString())
    return out


def measure_difference(model: Any, network: Any, config: DarknetConfig) -> float:
    """Largest difference between the heads of ONNX Runtime and of Keras, on one noise image.

    Of each head, the largest absolute difference over the largest absolute value of Keras's.
    """
    import keras
    import onnxruntime

    from detection.network import list_heads

    shape = (1, config.height_px, config.width_px, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    outputs = network(images[..., ::-1].astype(np.float32) / 255, training=False)
    expected = [keras.ops.convert_to_numpy(head) for head in list_heads(outputs)]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"images": images})
    return max(
        float(np.abs(head - want).max() / np.abs(want).max())
        for head, want in zip(got, expected, strict=True)
    )
