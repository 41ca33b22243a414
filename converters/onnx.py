"""Darknet cfg and weights to the deploy ONNX: captured pixels in, raw heads out."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from detection.darknet import DarknetConfig, read_cfg
from detection.weights import load_weights

OPSET = 17
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
    model = export_network(network, config)
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
            f"expected ONNX and Keras to agree within {TOLERANCE}, they differ by {difference:.2g}"
        )
    return save_model(model, out)


def build_loaded_network(config: DarknetConfig, weights: Path | None) -> Any:
    """The cfg's Keras model with its weights."""
    try:
        from detection.network import build_network
    except ImportError as error:
        raise missing_package(error) from error
    network = build_network(config)
    if weights:
        load_weights(network, config, weights)
    return network


def export_network(network: Any, config: DarknetConfig) -> Any:
    """The deploy graph of a Keras model made by `build_network`, without metadata.

    tf2onnx folds the batch norms; the colour order and the division by 255 go into the first convolution.
    """
    try:
        import keras
        import onnx
        import tensorflow as tf
        import tf2onnx
    except ImportError as error:
        raise missing_package(error) from error
    if keras.backend.backend() != "tensorflow":
        raise UserError("expected Keras on TensorFlow to convert: set KERAS_BACKEND=tensorflow")
    from detection.network import list_heads

    clone = _swap_layers(network)
    model, _ = tf2onnx.convert.from_function(
        tf.function(lambda images: list_heads(clone(images, training=False))),
        [tf.TensorSpec((1, config.height_px, config.width_px, 3), tf.float32, name="images")],
        opset=OPSET,
    )
    graph = model.graph
    _name_convolutions(graph)
    _rename_outputs(graph)
    _modernize_resizes(graph)
    _fold_pool_padding(graph)
    _take_captured_pixels(graph)
    onnx.checker.check_model(model, full_check=True)
    return model


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
        raise missing_package(error) from error
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
    """Largest absolute difference between the heads of ONNX Runtime and of Keras, on one noise image."""
    import onnxruntime

    from detection.network import list_heads

    shape = (1, config.height_px, config.width_px, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    expected = list_heads(network(images[..., ::-1].astype(np.float32) / 255, training=False))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"images": images})
    return max(float(np.abs(head - np.asarray(want)).max()) for head, want in zip(got, expected, strict=True))


def missing_package(error: ImportError) -> UserError:
    """The error for a converter whose packages are not installed."""
    return UserError(f"converting needs the package {error.name}: pip install 'local-aim-assistant[convert]'")


def _swap_layers(network: Any) -> Any:
    """The same network, sharing its weights, in layers that become one ONNX node each.

    Keras upsamples by eight reshapes where one Resize will do, and compiles grouped convolutions for the CPU,
    which tf2onnx cannot look into.
    """
    import keras
    import tensorflow as tf

    class Resize(keras.layers.Layer):  # type: ignore[misc]  # keras has no stubs
        def __init__(self, factor: int) -> None:
            super().__init__()
            self._factor = factor

        def call(self, x: Any) -> Any:
            size = (x.shape[1] * self._factor, x.shape[2] * self._factor)
            return tf.image.resize(x, size, method="nearest")

    class GroupedConvolution(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, layer: Any) -> None:
            super().__init__(name=layer.name)
            self._layer = layer

        def call(self, x: Any) -> Any:
            layer = self._layer
            x = tf.nn.conv2d(x, layer.kernel, layer.strides, layer.padding.upper())
            return tf.nn.bias_add(x, layer.bias) if layer.use_bias else x

    def swap(layer: Any) -> Any:
        if isinstance(layer, keras.layers.UpSampling2D):
            return Resize(layer.size[0])
        if isinstance(layer, keras.layers.Conv2D) and layer.groups > 1:
            return GroupedConvolution(layer)
        return layer

    return keras.models.clone_model(network, clone_function=swap)


def _name_convolutions(graph: Any) -> None:
    """Call each convolution by its cfg layer, as conv_0; tf2onnx keeps that in its weights' name."""
    for node in graph.node:
        if node.op_type == "Conv":
            found = re.search(r"conv_\d+", node.input[1])
            assert found, node.input[1]
            node.name = found.group()


def _rename_outputs(graph: Any) -> None:
    names = {output.name: f"head_{index}" for index, output in enumerate(graph.output)}
    for node in graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
    for output in graph.output:
        output.name = names[output.name]


def _modernize_resizes(graph: Any) -> None:
    """tf2onnx writes a coordinate mode that left ONNX in opset 13; for whole factors this one is equal."""
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Resize" and attribute.name == "coordinate_transformation_mode":
                attribute.s = b"asymmetric"


def _fold_pool_padding(graph: Any) -> None:
    """Let a MaxPool pad by itself: the Pad before it holds −infinity, which no scale of INT8 could take."""
    import onnx

    producers = {name: node for node in graph.node for name in node.output}
    arrays = {value.name: value for value in graph.initializer}
    for pool in [node for node in graph.node if node.op_type == "MaxPool"]:
        pad = producers.get(pool.input[0])
        if pad is not None and pad.op_type == "Pad":
            sides = onnx.numpy_helper.to_array(arrays[pad.input[1]]).reshape(2, 4)[:, 2:]  # of N, C, H, W
            kept = [attribute for attribute in pool.attribute if attribute.name != "pads"]
            del pool.attribute[:]
            pool.attribute.extend([*kept, onnx.helper.make_attribute("pads", sides.ravel().tolist())])
            pool.input[0] = pad.input[0]
            graph.node.remove(pad)


def _take_captured_pixels(graph: Any) -> None:
    """Make the input uint8 BGR, not float RGB in 0..1; the first convolution absorbs the difference."""
    import onnx

    images = graph.input[0]
    first = next(node for node in graph.node if node.op_type == "Conv")
    weights = next(value for value in graph.initializer if value.name == first.input[1])
    kernel: NDArray[np.float32] = onnx.numpy_helper.to_array(weights)  # (out, in, height, width)
    folded = np.ascontiguousarray(kernel[:, ::-1]) / np.float32(255)
    weights.CopyFrom(onnx.numpy_helper.from_array(folded, weights.name))

    old = images.name
    images.name = "images"
    images.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    for node in graph.node:
        node.input[:] = ["images_float" if name == old else name for name in node.input]
    cast = onnx.helper.make_node("Cast", ["images"], ["images_float"], name="cast", to=onnx.TensorProto.FLOAT)
    graph.node.insert(0, cast)
