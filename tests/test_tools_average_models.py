"""The average of two models."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tools.average_models import average


def make_model(kernel: list[float], steps: list[int]) -> onnx.ModelProto:
    """x times the kernel, with whole numbers beside it."""
    tensors = [
        numpy_helper.from_array(np.array(kernel, np.float32), "kernel"),
        numpy_helper.from_array(np.array(steps, np.int64), "steps"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [len(kernel)]) for name in ("x", "y")]
    node = helper.make_node("Mul", ["x", "kernel"], ["y"])
    return helper.make_model(helper.make_graph([node], "one", ends[:1], ends[1:], tensors))


def test_floats_are_averaged_by_the_share_and_whole_numbers_stay() -> None:
    mixed = average(make_model([0.0, 4.0], [1]), make_model([1.0, 8.0], [1]), 0.25)
    kernel, steps = (numpy_helper.to_array(tensor) for tensor in mixed.graph.initializer)
    assert kernel.tolist() == [0.25, 5.0]
    assert kernel.dtype == np.float32
    assert (steps.tolist(), steps.dtype) == ([1], np.int64)


def test_models_of_two_shapes_have_no_average() -> None:
    with pytest.raises(ValueError, match=r"expected kernel \(2,\) of the same cfg, got kernel \(1,\)"):
        average(make_model([0.0, 4.0], [1]), make_model([1.0], [1]), 0.5)
    with pytest.raises(ValueError, match="expected steps"):
        average(make_model([0.0], [1]), make_model([1.0], [2]), 0.5)
