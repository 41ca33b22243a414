"""INT8 on a processor without VNNI, which OpenVINO plays when it is told to."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.qdq import QdqScheme, WeightMode, head_convolutions, insert_qdq

RUN = """
import sys
from pathlib import Path
import numpy as np
from detection.backends.openvino import OpenVinoBackend
images = np.full((1, 16, 16, 3), 255, np.uint8)
np.save(sys.argv[2], OpenVinoBackend(Path(sys.argv[1])).infer(images)[0])
"""
LARGEST = 32 * 255.0

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the int16 sums are those of x86"
)


def make_model() -> onnx.ModelProto:
    """Three convolutions; the second, which is quantized, sums 64 equal products of the largest values."""
    kernels = {
        "first": np.full((64, 3, 1, 1), 1 / 3 * 32, np.float32),
        "second": np.ones((8, 64, 1, 1), np.float32),
        "head": np.ones((6, 8, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "first"], ["a"], name="conv_0"),
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.1),
        helper.make_node("Conv", ["b", "second"], ["c"], name="conv_1"),
        helper.make_node("LeakyRelu", ["c"], ["d"], alpha=0.1),
        helper.make_node("Conv", ["d", "head"], ["e"], name="conv_2"),
        helper.make_node("Transpose", ["e"], ["head_0"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "saturating",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, 16, 16, 3])],
        [helper.make_tensor_value_info("head_0", TensorProto.FLOAT, [1, 16, 16, 6])],
        [numpy_helper.from_array(kernel, name) for name, kernel in kernels.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run_without_vnni(model: onnx.ModelProto, folder: Path) -> np.ndarray:
    path, out = folder / "model.onnx", folder / "head.npy"
    onnx.save(model, path)
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "XDG_CACHE_HOME": str(folder)}
    subprocess.run(
        [sys.executable, "-c", RUN, str(path), str(out)],
        env=environment,
        cwd=Path(__file__).parents[1],
        check=True,
    )
    return np.load(out)


@pytest.mark.parametrize(("weights", "right"), [("paired", True), ("reduced", True), ("full", False)])
def test_only_the_full_weight_range_saturates_without_vnni(
    tmp_path: Path, weights: WeightMode, right: bool
) -> None:
    model = make_model()
    scheme = QdqScheme(weights=weights, skip=("conv_0", *head_convolutions(model.graph)))
    quantized = insert_qdq(model, {"b": (0.0, LARGEST)}, scheme)
    head = run_without_vnni(quantized, tmp_path)
    expected = LARGEST * 64 * 8
    assert (abs(float(head.mean()) / expected - 1) < 0.02) is right
