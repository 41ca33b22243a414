"""Files in the layouts of Ultralytics' exports, made in milliseconds: outputs linear in an image's colour."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

NAMES = {0: "imp", 1: "zombie", 2: "baron"}
PACKAGE = {"task": "detect", "stride": "32", "imgsz": "[32, 64]", "names": str(NAMES)}
CLASSIC = {"stride": "32", "names": str(NAMES)}
DYNAMIC = ("batch", 3, "height", "width")


def make_linear_onnx(
    path: Path,
    constant: NDArray[np.float32],
    per_rgb: Mapping[tuple[int, ...], tuple[float, float, float]] | None = None,
    input_shape: tuple[int | str, ...] = (1, 3, 32, 64),
    kind: int = TensorProto.FLOAT,
    metadata: Mapping[str, str] = PACKAGE,
) -> Path:
    """An ONNX of one output: `constant`, and at some places a sum of the image's mean red, green and blue.

    It takes float planes (1, 3, H, W); the means are of what it takes, which is 0 to 1 if it is fed well.
    """
    weights = np.zeros((3, *constant.shape), np.float32)
    for place, rgb in (per_rgb or {}).items():
        weights[(slice(None), *place)] = rgb
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    constants = {"weights": weights.reshape(3, -1), "bias": constant.reshape(1, -1)}
    initializers = [numpy_helper.from_array(value.astype(dtype), name) for name, value in constants.items()]
    shapes = {"flat": (1, 3), "shape": constant.shape}
    initializers += [
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in shapes.items()
    ]
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["images"], ["means"]),
            helper.make_node("Reshape", ["means", "flat"], ["rgb"]),
            helper.make_node("Gemm", ["rgb", "weights", "bias"], ["values"]),
            helper.make_node("Reshape", ["values", "shape"], ["output0"]),
        ],
        "linear",
        [helper.make_tensor_value_info("images", kind, input_shape)],
        [helper.make_tensor_value_info("output0", kind, constant.shape)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)
    return path
