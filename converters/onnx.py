"""Darknet or Keras weights, or a deploy ONNX of another form, to the deploy ONNX: pixels in, boxes out."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError, missing_package
from capture.files import replacing
from converters.deploy import DeployForm, apply_form
from converters.export import export_graph
from converters.heads import check_heads, make_noise, run_network
from detection.darknet import DarknetConfig, parse_cfg, read_cfg
from detection.onnx_file import read_metadata, read_onnx
from detection.weights import fill_network, read_convolutions, read_weights

DEFAULT_FORM = DeployForm()
KERAS_SUFFIXES = (".h5", ".keras")


def convert_onnx(
    cfg: Path, weights: Path | None, class_names: Sequence[str], out: Path, form: DeployForm = DEFAULT_FORM
) -> Path:
    """Write the deploy ONNX of a cfg and return its path; random weights if `weights` is None.

    weights: Darknet's, or what Keras saved of the cfg's network (.weights.h5, .keras). The graph takes
    `images`, uint8 (1, H, W, 3) BGR, and gives `detections`, float32 (1, K, 6), unless `form` says
    otherwise; cfg and class names travel in its metadata. UserError for a missing package, a malformed cfg,
    weights of another cfg, names that do not fit the classes, and a graph whose heads are not Keras's.
    """
    config = read_cfg(cfg)
    metadata = describe_model(config, class_names)
    network = build_loaded_network(config, weights)
    model = export_graph(config, read_convolutions(network, config))
    write_metadata(model, metadata)
    images = make_noise(config)
    check_heads("the ONNX", run_graph(model, images), run_network(network, images))
    return save_model(apply_form(model, config, form), out)


def reform_onnx(model: Path, out: Path, form: DeployForm) -> Path:
    """Write a deploy ONNX, FP32 or INT8, in another form; UserError for a model that is not one of ours."""
    loaded, config = read_deploy_onnx(model)
    return save_model(apply_form(loaded, config, form), out)


def build_loaded_network(config: DarknetConfig, weights: Path | None) -> Any:
    """The cfg's Keras model with its weights; UserError if a package that converting needs is missing."""
    # Keras takes seconds to import, and TensorFlow speaks meanwhile: a wrong file is worth one line before.
    is_keras = weights is not None and weights.suffix in KERAS_SUFFIXES
    if weights and is_keras and not weights.is_file():
        raise UserError(
            f"expected weights that Keras saved of this cfg's network in {weights}, found no file"
        )
    convolutions = read_weights(config, weights) if weights and not is_keras else {}
    try:
        import onnx  # noqa: F401  # said before any work is done
        import onnxruntime  # noqa: F401

        from detection.network import build_network
    except ImportError as error:
        raise missing_package("converting", error.name, "convert") from error
    network = build_network(config)
    if weights and is_keras:
        _load_keras(network, weights)
    fill_network(network, convolutions)
    return network


def _load_keras(network: Any, weights: Path) -> None:
    """Fill the cfg's network with what Keras saved of it; UserError if it saved something else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # it warns of layers that stay random
            network.load_weights(weights)
    except Exception as error:  # Keras's, HDF5's and zip's errors share no base
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"expected weights that Keras saved of this cfg's network in {weights}, got: {reason}"
        ) from error


def describe_model(
    config: DarknetConfig, class_names: Sequence[str], precision: str = "fp32"
) -> dict[str, str]:
    """The metadata of a model of ours, in any form; UserError for names that do not fit the classes."""
    if len(class_names) != config.heads[0].classes:
        raise UserError(f"expected {config.heads[0].classes} class names, got {len(class_names)}")
    return {
        "darknet_cfg": config.text,
        "class_names": "\n".join(class_names),
        "producer": "local-aim-assistant",
        "precision": precision,
    }


def write_metadata(model: Any, values: Mapping[str, str]) -> None:
    """Set keys of an ONNX model's metadata_props, and keep the others."""
    kept = read_metadata(model) | dict(values)
    del model.metadata_props[:]
    for key, value in kept.items():
        model.metadata_props.add(key=key, value=value)


def read_deploy_onnx(path: Path) -> tuple[Any, DarknetConfig]:
    """A deploy ONNX and its cfg; UserError for another kind of file."""
    model = read_onnx(path)
    metadata = read_metadata(model)
    if not {"darknet_cfg", "class_names"} <= metadata.keys():
        raise UserError(
            f"expected a model made by `run_aimbot.py convert onnx`, got {path} without its cfg and names"
        )
    return model, parse_cfg(metadata["darknet_cfg"], f"the cfg in {path.name}")


def save_model(model: Any, out: Path) -> Path:
    """Write an ONNX model; the folder is made if need be."""
    with replacing(out) as stream:
        stream.write(model.SerializeToString())
    return out


def run_graph(model: Any, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The outputs of an ONNX model for captured pixels."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(None, {"images": images})
    return outputs
