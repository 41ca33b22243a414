"""Small models for tests: made in milliseconds, without TensorFlow."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TINY_CFG = """[net]
width=64
height=32
channels=3

[convolutional]
filters=14
size=32
stride=32
activation=linear

[yolo]
mask=0,1
anchors=8,8, 16,24
classes=2
scale_x_y=1.05
"""
TINY_NAMES = ("imp", "zombie")


def make_tiny_onnx(path: Path, metadata: dict[str, str] | None = None, seed: int = 0) -> Path:
    """A deploy ONNX of TINY_CFG with random weights: 64x32 in, one head of 2x1 cells, two anchors."""
    kernel = np.random.default_rng(seed).normal(0, 2e-4, (14, 3, 32, 32)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["nchw", "kernel"], ["raw"], strides=[32, 32], name="conv_0"),
            helper.make_node("Transpose", ["raw"], ["head_0"], perm=[0, 2, 3, 1]),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, 32, 64, 3])],
        [helper.make_tensor_value_info("head_0", TensorProto.FLOAT, [1, 1, 2, 14])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if metadata is None:
        metadata = {"darknet_cfg": TINY_CFG, "class_names": "\n".join(TINY_NAMES), "precision": "fp32"}
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def expose_heads(path: Path, out: Path) -> Path:
    """A copy of a deploy ONNX, of whatever form, that gives its raw heads alone: head_0, …, in any shape."""
    model = onnx.load(path)
    heads = sorted(node.output[0] for node in model.graph.node if node.output[0].startswith("head_"))
    del model.graph.output[:]
    for name in heads:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    onnx.save(model, out)
    return out
