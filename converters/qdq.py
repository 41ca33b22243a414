"""Explicit quantization of an ONNX graph: where the Q/DQ pairs stand, and which scales they carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detection.engines.graph import MOVES, group_moved

Ranges = Mapping[str, tuple[float, float]]
WeightMode = Literal["full", "paired", "reduced"]


@dataclass(frozen=True, slots=True)
class QdqScheme:
    """How a graph is quantized.

    symmetric: activations int8 around zero (TensorRT wants it), else uint8 with a zero point.
    weights: the range of the int8 weights; see `quantize_weights`.
    moves: quantize the inputs of moving ops too, with their consumers' scale, so that they move bytes.
    skip: names of convolutions that stay in float.
    """

    symmetric: bool = False
    weights: WeightMode = "paired"
    moves: bool = False
    skip: tuple[str, ...] = ()


def head_convolutions(graph: Any) -> tuple[str, ...]:
    """Names of the convolutions whose output no other convolution reads, directly or through others."""
    producers = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    read: set[str] = set()
    pending = [node.input[0] for node in convolutions]
    while pending:
        tensor = pending.pop()
        if tensor not in read:
            read.add(tensor)
            pending += producers[tensor].input if tensor in producers else ()
    return tuple(node.name for node in convolutions if node.output[0] not in read)


def first_convolution(graph: Any) -> str:
    """Name of the convolution that reads the image."""
    return str(next(node.name for node in graph.node if node.op_type == "Conv"))


def image_tensors(graph: Any) -> tuple[str, ...]:
    """Float tensors that hold the image's pixels, 0 to 255, from the input to the first convolution."""
    producers = {name: node for node in graph.node for name in node.output}
    first = next(node for node in graph.node if node.op_type == "Conv")
    names = [first.input[0]]
    while producers[names[-1]].op_type != "Cast":
        names.append(producers[names[-1]].input[0])
    return tuple(names)


def quantized_convolutions(graph: Any, scheme: QdqScheme) -> tuple[str, ...]:
    """Names of the convolutions that a scheme does not leave in float."""
    return tuple(node.name for node in graph.node if node.op_type == "Conv" and node.name not in scheme.skip)


def activation_tensors(graph: Any, scheme: QdqScheme) -> dict[str, str]:
    """Tensors to quantize, each with the name of its group: the tensors of a group share one scale."""
    convolutions = quantized_convolutions(graph, scheme)
    tensors = [node.input[0] for node in graph.node if node.name in convolutions]
    return group_moved(graph, tensors) if scheme.moves else {tensor: tensor for tensor in tensors}


def insert_qdq(model: Any, ranges: Ranges, scheme: QdqScheme) -> Any:
    """A copy of an ONNX model with Q/DQ pairs on activations and int8 weights behind a DQ; biases stay float.

    `ranges` holds the lowest and highest value of every tensor that `activation_tensors` names.
    """
    import onnx

    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph = out.graph
    convolutions = quantized_convolutions(graph, scheme)
    groups = activation_tensors(graph, scheme)
    new_nodes: list[Any] = []
    replaced: dict[str, str] = {}
    for tensor, group in groups.items():
        members = [ranges[name] for name, root in groups.items() if root == group]
        low, high = min(low for low, _ in members), max(high for _, high in members)
        scale, zero = activation_scale(low, high, scheme.symmetric)
        key = f"{tensor}_q"
        graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{key}_scale"))
        graph.initializer.append(onnx.numpy_helper.from_array(zero, f"{key}_zero"))
        parameters = [f"{key}_scale", f"{key}_zero"]
        new_nodes += [
            onnx.helper.make_node("QuantizeLinear", [tensor, *parameters], [key], name=f"{tensor}_quantize"),
            onnx.helper.make_node(
                "DequantizeLinear", [key, *parameters], [f"{key}dq"], name=f"{tensor}_dequantize"
            ),
        ]
        replaced[tensor] = f"{key}dq"
    for node in graph.node:
        if node.op_type in MOVES or node.name in convolutions:
            node.input[:] = [replaced.get(name, name) for name in node.input]
    new_nodes += _quantize_convolutions(graph, convolutions, scheme.weights)
    _sort_nodes(graph, new_nodes)
    onnx.checker.check_model(out)
    return out


def activation_scale(low: float, high: float, symmetric: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scale (float32) and zero point (int8 if symmetric, else uint8) for values from `low` to `high`."""
    low, high = min(low, 0.0), max(high, 0.0)
    if symmetric:
        return np.array(max(-low, high, 1e-8) / 127, np.float32), np.array(0, np.int8)
    scale = np.float32(max(high - low, 1e-8) / 255)
    return np.array(scale), np.array(np.clip(round(-low / float(scale)), 0, 255), np.uint8)


def quantize_weights(
    kernel: NDArray[np.float32], mode: WeightMode
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 weights and their scale for each output channel; kernel (out, in, height, width).

    A processor without VNNI multiplies uint8 by int8 and adds neighbouring input channels in int16
    (vpmaddubsw), which saturates beyond 32,767: where the weights of a pair sum to more than 128. `full`
    uses -127..127 and takes that risk; `reduced` uses -64..64, which excludes it; `paired` uses the
    largest range of each channel in which no pair can saturate.
    """
    flat = kernel.reshape(len(kernel), kernel.shape[1], -1)
    largest = np.abs(flat).max(axis=(1, 2))
    scale = largest / (64 if mode == "reduced" else 127)
    if mode == "paired" and kernel.shape[1] > 1:
        even = flat[:, : kernel.shape[1] // 2 * 2].reshape(len(kernel), -1, 2, flat.shape[2])
        sums = [np.maximum(sign * even, 0).sum(axis=2).max(axis=(1, 2)) for sign in (1, -1)]
        scale = np.maximum(scale, np.maximum(*sums) / 127)  # 127: rounding may add one to a pair
    scale = np.maximum(scale, 1e-12).astype(np.float32)
    limit = 64 if mode == "reduced" else 127
    quantized = np.clip(np.rint(kernel / scale[:, None, None, None]), -limit, limit).astype(np.int8)
    return quantized, scale


def _quantize_convolutions(graph: Any, convolutions: Sequence[str], mode: WeightMode) -> list[Any]:
    import onnx

    arrays = {value.name: value for value in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.name not in convolutions:
            continue
        name = node.input[1]
        quantized, scale = quantize_weights(onnx.numpy_helper.to_array(arrays[name]), mode)
        graph.initializer.remove(arrays[name])
        zero = np.zeros(len(scale), np.int8)
        key = f"{node.name}_weights"
        for suffix, value in (("", quantized), ("_scale", scale), ("_zero", zero)):
            graph.initializer.append(onnx.numpy_helper.from_array(value, key + suffix))
        nodes.append(
            onnx.helper.make_node(
                "DequantizeLinear",
                [key, f"{key}_scale", f"{key}_zero"],
                [f"{key}_dq"],
                name=f"{key}_dequantize",
                axis=0,
            )
        )
        node.input[1] = f"{key}_dq"
    return nodes


def _sort_nodes(graph: Any, new_nodes: Sequence[Any]) -> None:
    """Put old and new nodes into an order in which each comes after its inputs."""
    known = {value.name for value in graph.input} | {value.name for value in graph.initializer} | {""}
    waiting = [*graph.node, *new_nodes]
    ordered: list[Any] = []
    while waiting:
        ready = [node for node in waiting if all(name in known for name in node.input)]
        assert ready, "the graph has a cycle"
        waiting = [node for node in waiting if not all(name in known for name in node.input)]
        known |= {name for node in ready for name in node.output}
        ordered += ready
    copies = [type(node).FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)
