"""The deploy ONNX, FP32 or INT8, back to Darknet: .weights, and beside it the .cfg and .names."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from converters.onnx import read_deploy_onnx
from detection.darknet import DarknetConfig
from detection.layers import BN_EPSILON
from detection.onnx_file import read_metadata
from detection.weights import Convolution, write_weights


@dataclass(frozen=True, slots=True)
class DarknetModel:
    """All that a model is: its cfg, its convolutions by the index of their section, its class names."""

    config: DarknetConfig
    convolutions: dict[int, Convolution]
    class_names: tuple[str, ...]


def convert_darknet(model: Path, out: Path) -> dict[str, Any]:
    """Write `out` (FILE.weights), FILE.cfg and FILE.names of a deploy ONNX, FP32 or INT8.

    INT8 kernels are dequantized. The batch norms were folded into the kernels; they come back as norms that
    change nothing (gamma 1, mean 0, variance 1 − 1e-5), so that the heads stay the same. Returns the paths
    and the number of convolutions. UserError for another kind of file.
    """
    if out.suffix != ".weights":
        raise UserError(f"expected --out FILE.weights, got {out}")
    read = read_darknet(model)
    write_weights(out, read.convolutions.values())
    cfg, names = out.with_suffix(".cfg"), out.with_suffix(".names")
    cfg.write_text(read.config.text, encoding="utf-8")
    names.write_text("\n".join(read.class_names) + "\n", encoding="utf-8")
    return {"out": str(out), "cfg": str(cfg), "names": str(names), "convolutions": len(read.convolutions)}


def read_darknet(model: Path) -> DarknetModel:
    """What a deploy ONNX, FP32 or INT8, was made of; UserError for another kind of file."""
    loaded, config = read_deploy_onnx(model)
    metadata = read_metadata(loaded)
    layers = extract_convolutions(loaded.graph, config)
    convolutions = dict(zip(config.kernels, layers, strict=True))
    return DarknetModel(config, convolutions, tuple(metadata["class_names"].splitlines()))


def extract_convolutions(graph: Any, config: DarknetConfig) -> Iterator[Convolution]:
    """A deploy graph's convolutions in the cfg's order, as Darknet keeps them; UserError if one lacks."""
    import onnx

    nodes = {node.name: node for node in graph.node if node.op_type == "Conv"}
    producers = {name: node for node in graph.node for name in node.output}
    arrays = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    first = next(iter(config.kernels))
    for index, shape in config.kernels.items():
        node = nodes.get(f"conv_{index}")
        kernel = _read_kernel(node.input[1], producers, arrays) if node else None
        if index == first and kernel is not None:
            kernel = kernel[:, :3]  # of BGRA the alpha has weights of zero
        if node is None or kernel is None or kernel.shape != shape:
            found = "none" if kernel is None else f"{kernel.shape}"
            raise UserError(
                f"expected a kernel of {shape} in conv_{index}, as in the model's cfg, got {found}"
            )
        if index == first:  # it took in the colour order and the division by 255
            kernel = kernel[:, ::-1] * np.float32(255)
        outputs = shape[0]
        bias = arrays[node.input[2]] if len(node.input) > 2 else np.zeros(outputs, np.float32)
        norm = None
        if config.sections[index].integer("batch_normalize"):
            identity = np.array([1, 0, 1 - BN_EPSILON], np.float32)
            norm = np.repeat(identity[:, None], outputs, axis=1)
        yield Convolution(kernel, bias, norm)


def _read_kernel(
    name: str, producers: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> NDArray[np.float32] | None:
    """A kernel (out, in / groups, height, width), dequantized if it stands behind a DequantizeLinear."""
    if name in arrays:
        return np.asarray(arrays[name], np.float32)
    node = producers[name]
    if node.op_type != "DequantizeLinear":
        return None
    quantized, scale, zero = (arrays[key] for key in node.input)
    shift = quantized.astype(np.float32) - zero.astype(np.float32)[:, None, None, None]
    return np.asarray(shift * scale[:, None, None, None], np.float32)
