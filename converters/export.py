"""A Darknet cfg and its convolutions as an ONNX graph: captured pixels in, raw heads out.

Written node by node, for a layer is one to three of them. tf2onnx took 16 GB and two minutes for yolov4, and
its graph had to be mended in five places.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.darknet import DarknetConfig
from detection.layers import (
    BN_EPSILON,
    LayerShape,
    Window,
    convolution_window,
    pooling_window,
    read_activation,
    read_sources,
    trace_layers,
)
from detection.sections import Section
from detection.weights import Convolution

OPSET = 17
IR_VERSION = 8


class GraphWriter:
    """Nodes and initializers as they come; each `add` returns the name of what the node gives."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append a node called `name`, which is also the name of its output."""
        import onnx

        self.nodes.append(onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def add_pair(
        self, kind: str, inputs: Sequence[str], name: str, other: str, **attributes: Any
    ) -> tuple[str, str]:
        """Append a node called `name` of two outputs, `name` and `other`."""
        import onnx

        self.nodes.append(onnx.helper.make_node(kind, inputs, [name, other], name=name, **attributes))
        return name, other

    def hold(self, values: NDArray[Any], name: str) -> str:
        """Append an initializer."""
        import onnx

        self.initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def export_graph(config: DarknetConfig, convolutions: Mapping[int, Convolution]) -> Any:
    """The graph up to its heads, without metadata; converters/deploy.py goes on from there.

    Input `images`, uint8 (1, H, W, 3) BGR; outputs `head_0`, …, float32 (1, h, w, A·(5+C)) in the cfg's
    order. Batch norms are folded into the kernels, and the colour order and the division by 255 into the
    first one. Convolutions are called conv_0, …, by the index of their section.
    """
    import onnx

    shapes = trace_layers(config.sections, (config.width_px, config.height_px))
    graph = GraphWriter()
    x = graph.add("Cast", ["images"], "images_float", to=onnx.TensorProto.FLOAT)
    x = graph.add("Transpose", [x], "images_planes", perm=[0, 3, 1, 2])
    outputs: list[str] = []
    heads: list[str] = []
    first = next(iter(config.kernels))
    for index, section in enumerate(config.sections):
        if section.type == "convolutional":
            kernel, bias = fold_norm(convolutions[index])
            if index == first:
                kernel = kernel[:, ::-1] / np.float32(255)
            x = _convolve(graph, x, section, index, kernel, bias)
        elif section.type == "maxpool":
            window = pooling_window(section)
            x = graph.add("MaxPool", [x], f"pool_{index}", kernel_shape=[window.size] * 2, **_step(window))
        elif section.type == "upsample":
            x = _upsample(graph, x, section, index)
        elif section.type == "route":
            parts = [
                _slice(graph, outputs[source], shapes[source].channels, section, f"slice_{index}_{number}")
                for number, source in enumerate(read_sources(section, index))
            ]
            x = graph.add("Concat", parts, f"cat_{index}", axis=1) if len(parts) > 1 else parts[0]
        elif section.type == "shortcut":
            for number, source in enumerate(read_sources(section, index)):
                x = graph.add("Add", [x, outputs[source]], f"add_{index}_{number}")
            x = _activate(graph, x, section, index)
        else:  # yolo
            heads.append(graph.add("Transpose", [x], f"head_{len(heads)}", perm=[0, 2, 3, 1]))
        outputs.append(x)
    return _make_model(graph, config, shapes, heads)


def fold_norm(layer: Convolution) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias of a convolution that does what it and its batch norm did."""
    if layer.norm is None:
        return layer.kernel, layer.bias
    gamma, mean, variance = layer.norm
    scale = gamma / np.sqrt(variance + np.float32(BN_EPSILON))
    return layer.kernel * scale[:, None, None, None], layer.bias - mean * scale


def _convolve(
    graph: GraphWriter,
    x: str,
    section: Section,
    index: int,
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> str:
    name, window = f"conv_{index}", convolution_window(section)
    inputs = [x, graph.hold(kernel, f"{name}_kernel"), graph.hold(bias, f"{name}_bias")]
    shape, groups = list(kernel.shape[2:]), section.integer("groups", 1)
    x = graph.add("Conv", inputs, name, kernel_shape=shape, group=groups, **_step(window))
    return _activate(graph, x, section, index)


def _step(window: Window) -> dict[str, list[int]]:
    after = window.padding - window.before
    return {"strides": [window.stride] * 2, "pads": [window.before, window.before, after, after]}


def _activate(graph: GraphWriter, x: str, section: Section, index: int) -> str:
    kind, name = read_activation(section), f"act_{index}"
    if kind == "leaky":
        return graph.add("LeakyRelu", [x], name, alpha=0.1)
    if kind == "relu":
        return graph.add("Relu", [x], name)
    if kind == "logistic":
        return graph.add("Sigmoid", [x], name)
    if kind == "swish":
        return graph.add("Mul", [x, graph.add("Sigmoid", [x], f"{name}_sigmoid")], name)
    if kind == "mish":
        soft = graph.add("Softplus", [x], f"{name}_softplus")
        return graph.add("Mul", [x, graph.add("Tanh", [soft], f"{name}_tanh")], name)
    return x


def _upsample(graph: GraphWriter, x: str, section: Section, index: int) -> str:
    factor = section.integer("stride", 2)
    scales = graph.hold(np.array([1, 1, factor, factor], np.float32), f"up_{index}_scales")
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.add("Resize", [x, "", scales], f"up_{index}", mode="nearest", **modes)


def _slice(graph: GraphWriter, x: str, channels: int, section: Section, name: str) -> str:
    """The section's group of the channels of x, or x where it has no groups."""
    groups, group = section.integer("groups", 1), section.integer("group_id")
    if groups == 1:
        return x
    share = channels // groups
    limits = {"starts": group * share, "ends": (group + 1) * share, "axes": 1}
    inputs = [graph.hold(np.array([value], np.int64), f"{name}_{key}") for key, value in limits.items()]
    return graph.add("Slice", [x, *inputs], name)


def _make_model(
    graph: GraphWriter, config: DarknetConfig, shapes: Sequence[LayerShape], heads: list[str]
) -> Any:
    import onnx

    size = [1, config.height_px, config.width_px, 3]
    sizes = [
        [1, shape.height, shape.width, shape.channels]
        for section, shape in zip(config.sections, shapes, strict=True)
        if section.type == "yolo"
    ]
    floats, make_info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "darknet",
            [make_info("images", onnx.TensorProto.UINT8, size)],
            [make_info(name, floats, shape) for name, shape in zip(heads, sizes, strict=True)],
            graph.initializers,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="local-aim-assistant",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
