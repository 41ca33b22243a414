"""An ONNX model as TensorRT takes it: quantization that is symmetric, halves where the types are strict."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from capture.errors import UserError, missing_package

Precision = Literal["fp32", "fp16", "int8"]

# Share of a range that symmetric int8 keeps. It has half the steps, and finer ones are worth more than the
# outermost values: this costs doom-tiny 0.15 points of mAP50 and doom-nano none (docs/tensorrt.md).
REACH = 0.85

# These ops move values and never compute, so one scale serves on both sides of them.
MOVES = frozenset({"Concat", "MaxPool", "Slice", "Resize", "Transpose"})

DECODING = ("decode_", "detections")  # names of the nodes that converters/decoding.py writes


def find_precision(model: Any) -> Precision:
    """Of a model's arithmetic, told from its nodes and weights."""
    import onnx

    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return "int8"
    types = {value.data_type for value in model.graph.initializer}
    return "fp16" if onnx.TensorProto.FLOAT16 in types else "fp32"


def choose_precision(model: Any, asked: Precision | None, source: str) -> Precision:
    """What an engine of this model computes in; UserError where the file cannot give what is asked for.

    INT8 stays INT8, and FP32 becomes FP16, unless another is asked for. Only calibration makes INT8.
    """
    own = find_precision(model)
    held: dict[Precision, tuple[Precision, ...]] = {
        "int8": ("int8", "fp16", "fp32"),
        "fp32": ("fp16", "fp32"),
        "fp16": ("fp16",),
    }
    if asked is None:
        return held[own][0]
    if asked not in held[own]:
        mend = (
            f"`run_aimbot.py convert int8 --model {source} --calibration SOURCE --out FILE.onnx` makes one"
            if asked == "int8"
            else f"give the FP32 file, or --precision {own}"
        )
        raise UserError(f"expected a model to make {asked} of, {source} is {own}; {mend}")
    return asked


def to_symmetric(model: Any) -> Any:
    """A copy whose activations are int8 around zero: TensorRT takes no other zero point.

    It calls a uint8 zero point "supported only on DLA" and refuses all but 0; one of 0 it reads as int8,
    which would cut pixels at 127. A range from low to high becomes ±REACH·max(-low, high), at
    the cost of up to one of the eight bits; the weights stay as they are.
    What an op only moves is int8 on both sides of it, with one scale: else the convolution before it writes
    floats, and one kernel more makes int8 of them.
    Pixels are bytes already and would lose by it: the convolution that reads them computes in float.
    """
    import onnx

    out = _copy(model)
    values = {value.name: value for value in out.graph.initializer}
    pixels = _trace_pixels(out.graph)
    for node in [node for node in out.graph.node if node.op_type == "QuantizeLinear"]:
        scale, zero = (onnx.numpy_helper.to_array(values[name]) for name in node.input[1:])
        if zero.dtype != np.uint8:
            continue
        if node.input[0] in pixels:
            _remove_pair(out.graph, node)
            continue
        symmetric = np.array(REACH * max(int(zero), 255 - int(zero)) * scale / 127, np.float32)
        values[node.input[1]].CopyFrom(onnx.numpy_helper.from_array(symmetric, node.input[1]))
        values[node.input[2]].CopyFrom(onnx.numpy_helper.from_array(np.array(0, np.int8), node.input[2]))
    _quantize_moved(out.graph)
    onnx.checker.check_model(out)
    return out


def to_float(model: Any) -> Any:
    """A copy of an INT8 model in FP32: the weights keep their int8 steps, activations are not rounded."""
    import onnx

    out = _copy(model)
    for node in [node for node in out.graph.node if node.op_type == "QuantizeLinear"]:
        _remove_pair(out.graph, node)
    onnx.checker.check_model(out)
    return out


def to_half(model: Any) -> Any:
    """A copy that computes in FP16 and still takes and gives what it did, for runtimes with strict types.

    Boxes are decoded in FP32: from 512 pixels on, halves are half a pixel apart.
    """
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
        from onnxruntime.transformers.onnx_model import OnnxModel
    except ImportError as error:
        raise missing_package("an FP16 engine", error.name, "tensorrt-rtx") from error
    decoding = [node.name for node in model.graph.node if node.name.startswith(DECODING)]
    halves = convert_float_to_float16(model, keep_io_types=True, node_block_list=decoding)
    _skip_round_trips(halves.graph)
    tidied = OnnxModel(halves)
    tidied.prune_graph()
    tidied.topological_sort()
    return tidied.model


def group_moved(graph: Any, tensors: Iterable[str]) -> dict[str, str]:
    """Tensors, and those that ops behind which they stand only moved, each with the name of its group."""
    makers = {name: node for node in graph.node for name in node.output}
    groups = {tensor: tensor for tensor in tensors}
    pending = list(groups)
    while pending:
        tensor = pending.pop()
        node = makers.get(tensor)
        if node is None or node.op_type not in MOVES:
            continue
        for source in node.input[: None if node.op_type == "Concat" else 1]:
            if source not in groups:
                groups[source] = source
                pending.append(source)
            groups[_find_root(groups, source)] = _find_root(groups, tensor)
    return {tensor: _find_root(groups, tensor) for tensor in groups}


def _find_root(groups: dict[str, str], tensor: str) -> str:
    while groups[tensor] != tensor:
        tensor = groups[tensor]
    return tensor


def _quantize_moved(graph: Any) -> None:
    """Q/DQ pairs before the ops that move what is quantized behind them; a group takes its largest scale."""
    import onnx

    values = {value.name: value for value in graph.initializer}
    quantizers = {node.input[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    groups = group_moved(graph, quantizers)
    scales: dict[str, float] = {}
    for tensor, node in quantizers.items():
        scale = float(onnx.numpy_helper.to_array(values[node.input[1]]))
        scales[groups[tensor]] = max(scale, scales.get(groups[tensor], 0.0))
    zero = next((node.input[2] for node in quantizers.values()), "")
    for tensor, group in groups.items():
        name = f"{tensor}_q_scale" if tensor not in quantizers else quantizers[tensor].input[1]
        held = onnx.numpy_helper.from_array(np.array(scales[group], np.float32), name)
        if tensor in quantizers:
            values[name].CopyFrom(held)
        else:
            graph.initializer.append(held)
            _insert_pair(graph, tensor, [name, zero])


def _insert_pair(graph: Any, tensor: str, parameters: list[str]) -> None:
    """A Q/DQ pair on a tensor, for the moving ops that read it."""
    import onnx

    for node in graph.node:
        if node.op_type in MOVES:
            node.input[:] = [f"{tensor}_qdq" if name == tensor else name for name in node.input]
    pair = [
        onnx.helper.make_node(f"{kind}Linear", [source, *parameters], [made], name=f"{tensor}_{kind.lower()}")
        for kind, source, made in (
            ("Quantize", tensor, f"{tensor}_q"),
            ("Dequantize", f"{tensor}_q", f"{tensor}_qdq"),
        )
    ]
    place = 1 + next(index for index, node in enumerate(graph.node) if tensor in node.output)
    for index, node in enumerate(pair):
        graph.node.insert(place + index, node)


def _trace_pixels(graph: Any) -> set[str]:
    """Tensors that hold the whole numbers of a uint8 input, behind the ops that only move them."""
    import onnx

    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    pixels = {name for name, kind in types.items() if kind == onnx.TensorProto.UINT8}
    for node in graph.node:
        if node.op_type in ("Cast", "Transpose") and node.input[0] in pixels:
            pixels.add(node.output[0])
    return pixels


def _copy(model: Any) -> Any:
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def _skip_round_trips(graph: Any) -> None:
    """Read floats where they were made: the converter passes them through halves between two float nodes."""
    import onnx

    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    kinds = {name: node.attribute[0].i for name, node in casts.items()}
    source = {
        name: casts[node.input[0]].input[0]
        for name, node in casts.items()
        if kinds[name] == onnx.TensorProto.FLOAT and kinds.get(node.input[0]) == onnx.TensorProto.FLOAT16
    }
    given = {value.name for value in graph.output}
    for node in graph.node:
        if node.op_type == "Cast" and node.output[0] in source and node.output[0] in given:
            node.input[0] = source[node.output[0]]
        else:
            node.input[:] = [source.get(name, name) for name in node.input]


def _remove_pair(graph: Any, quantize: Any) -> None:
    """Take out a Q/DQ pair, and the DQ of the weights of the convolutions behind it."""
    import onnx

    values = {value.name: value for value in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    pair = next(node for node in graph.node if quantize.output[0] in node.input)
    for node in [node for node in graph.node if pair.output[0] in node.input]:
        node.input[:] = [quantize.input[0] if name == pair.output[0] else name for name in node.input]
        if node.op_type != "Conv" or node.input[1] not in makers:
            continue
        weights = makers[node.input[1]]
        integers, scale = (onnx.numpy_helper.to_array(values[name]) for name in weights.input[:2])
        floats = integers.astype(np.float32) * scale.reshape(-1, 1, 1, 1)
        values[weights.input[0]].CopyFrom(onnx.numpy_helper.from_array(floats, weights.input[0]))
        node.input[1] = weights.input[0]
        graph.node.remove(weights)
    graph.node.remove(pair)
    graph.node.remove(quantize)
