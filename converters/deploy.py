"""The form of a deploy graph: which pixels it takes, and what it does with its heads."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from capture.errors import UserError
from converters.decoding import ROWS, Suppression, decode_planes
from detection.darknet import DarknetConfig
from detection.onnx_file import read_metadata

Pixels = Literal["bgr", "bgra"]

CANDIDATES = 300  # no frame of the reserved maps has more than 234 cells of 0.01 or more


@dataclass(frozen=True, slots=True)
class DeployForm:
    """What a deploy graph takes and gives.

    pixels: bgra is what a screen gives, its alpha multiplied by zero. candidates: the most boxes that are
    decoded, best first. suppression: None leaves overlapping boxes to the reader.
    """

    pixels: Pixels = "bgr"
    candidates: int = CANDIDATES
    suppression: Suppression | None = None


def apply_form(model: Any, config: DarknetConfig, form: DeployForm) -> Any:
    """A copy of a deploy graph, of whatever form and precision, in the form that is asked for.

    Its input is `images`, uint8 (1, H, W, 3 or 4), its output `detections` (see `decode_planes`); the form
    is told in the metadata. UserError for a graph without the cfg's heads.
    """
    import onnx

    out = onnx.ModelProto()
    out.CopyFrom(model)
    planes = _cut_at_heads(out.graph, len(config.heads))
    _set_channels(out.graph, len(form.pixels))
    nodes, shape = decode_planes(planes, config, form.candidates, form.suppression)
    out.graph.node.extend(nodes.nodes)
    out.graph.initializer.extend(nodes.initializers)
    info = onnx.helper.make_tensor_value_info(ROWS, onnx.TensorProto.FLOAT, shape)
    out.graph.output.append(info)
    kept = {key: value for key, value in read_metadata(out).items() if key not in ("candidates", "nms")}
    kept["candidates"] = str(form.candidates)
    if form.suppression is not None:
        kept["nms"] = json.dumps(asdict(form.suppression))
    onnx.helper.set_model_props(out, kept)
    onnx.checker.check_model(out, full_check=True)
    return out


def _cut_at_heads(graph: Any, count: int) -> list[str]:
    """Drop what follows the heads; returns the tensors (1, A·(5+C), h, w) that they come from."""
    readers = {node.output[0]: node for node in graph.node}
    if any(f"head_{index}" not in readers for index in range(count)):
        raise UserError(f"expected the heads of {count} [yolo] sections in the graph, as its cfg says")
    planes = [str(readers[f"head_{index}"].input[0]) for index in range(count)]
    for node in [node for node in graph.node if _is_behind_heads(node.output[0])]:
        graph.node.remove(node)
    for value in [value for value in graph.initializer if _is_behind_heads(value.name)]:
        graph.initializer.remove(value)
    del graph.output[:]
    del graph.value_info[:]
    return planes


def _is_behind_heads(name: str) -> bool:
    return name.startswith(("head_", "decode_")) or name == ROWS


def _set_channels(graph: Any, channels: int) -> None:
    """Make a graph take pixels of 3 channels or of 4, by weights of zero for the fourth.

    A slice would copy all pixels; the convolution reads four channels as quickly as three.
    """
    import onnx

    sizes = graph.input[0].type.tensor_type.shape.dim
    sizes[3].dim_value = channels
    arrays = {value.name: value for value in graph.initializer}
    kernel = arrays[_first_kernel(graph.node, arrays)]
    values = onnx.numpy_helper.to_array(kernel)[:, :3]
    values = np.pad(values, ((0, 0), (0, channels - 3), (0, 0), (0, 0)))
    kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))


def _first_kernel(nodes: Sequence[Any], arrays: dict[str, Any]) -> str:
    """The initializer of the first convolution's weights, which in INT8 stands behind a DequantizeLinear."""
    name = next(node.input[1] for node in nodes if node.op_type == "Conv")
    producers = {node.output[0]: node for node in nodes}
    return str(name if name in arrays else producers[name].input[0])
