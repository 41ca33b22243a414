"""Which convolutions are left in float: measured alone, on the boxes that the model finds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from test_converters_int8 import VALIDATION, make_frames
from tiny_detector import TINY_CFG, TINY_NAMES, make_tiny_onnx

from aimbot.commands.common import shipped_recording
from aimbot.replaying import iterate_frames
from capture.errors import UserError
from capture.replay import open_replay
from converters import int8, sensitivity
from converters.darknet import convert_darknet
from converters.export import export_graph
from converters.onnx import convert_onnx, save_model
from converters.qdq import quantized_convolutions
from detection.darknet import parse_cfg
from detection.detections import Detections, no_detections
from detection.detector import find_model
from detection.preprocess import Canvas
from tools.darknet_parity import random_convolutions


def make_boxes(*rows: Sequence[float]) -> Detections:
    values = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(values[:, :4], values[:, 4], np.zeros(len(values), np.int32))


def test_the_same_boxes_agree_wholly_and_no_boxes_do_too() -> None:
    boxes = make_boxes([0, 0, 10, 10, 0.9], [20, 20, 40, 40, 0.5])
    assert sensitivity.measure_agreement([boxes], [boxes]) == pytest.approx(1)
    assert sensitivity.measure_agreement([no_detections()], [no_detections()]) == 1


def test_a_missed_box_a_moved_box_and_another_score_each_lower_the_agreement() -> None:
    both = make_boxes([0, 0, 10, 10, 0.9], [20, 20, 40, 40, 0.5])
    missed = sensitivity.measure_agreement([both], [make_boxes([0, 0, 10, 10, 0.9])])
    assert missed == pytest.approx(2 / 3)
    moved = sensitivity.measure_agreement([both], [make_boxes([0, 0, 10, 8, 0.9], [20, 20, 40, 40, 0.5])])
    assert moved == pytest.approx((0.8 + 1) / 2)
    unsure = sensitivity.measure_agreement([both], [make_boxes([0, 0, 10, 10, 0.8], [20, 20, 40, 40, 0.5])])
    assert unsure == pytest.approx((0.9 + 1) / 2, abs=1e-6)


def test_the_convolution_whose_rounding_is_made_coarse_comes_first(tmp_path: Path) -> None:
    graph, images = make_fp32_nano(tmp_path), read_recorded(12)
    scheme = int8.default_scheme(graph)
    names = quantized_convolutions(graph.graph, scheme)
    scheme = replace(scheme, skip=(*scheme.skip, *names[8:]))
    calibrated = int8.calibrate(graph, images, "minmax", scheme)
    victim = next(node for node in graph.graph.node if node.name == names[5])
    low, high = calibrated.ranges[victim.input[0]]
    coarse = {**calibrated.ranges, victim.input[0]: (16 * low, 16 * high)}  # four of the eight bits
    ranked = sensitivity.rank_convolutions(graph, replace(calibrated, ranges=coarse).quantize, scheme, images)
    assert {name for name, _ in ranked} == set(names[:8])
    assert ranked[0][0] == victim.name
    assert ranked[0][1] < ranked[1][1] <= 1


def test_a_gate_that_refuses_leaves_more_and_more_convolutions_in_float(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.6, 0.5, 0.59, 0.597])
    monkeypatch.setattr(int8, "evaluate_model", lambda *_, **__: next(scores))
    ranked = [("conv_1", 0.5), ("conv_0", 0.6), ("conv_2", 0.7)]
    monkeypatch.setattr(int8, "rank_convolutions", lambda *_, **__: ranked)
    source, out = make_four_convolutions(tmp_path / "four.onnx"), tmp_path / "int8.onnx"
    result = int8.convert_int8(source, make_frames(32), out, VALIDATION, "minmax")
    assert result["kept_float"] == ["conv_1", "conv_0"]
    assert result["written"]
    assert list_quantized(out) == ["conv_2"]


def test_a_gate_is_not_contented_by_a_file_that_is_all_float(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "evaluate_model", lambda model, *_, **__: 0.6 if model == source else 0.5)
    source, out = make_four_convolutions(tmp_path / "four.onnx"), tmp_path / "int8.onnx"
    result = int8.convert_int8(source, make_frames(32), out, VALIDATION, "minmax", force=True)
    assert result["drop"] == pytest.approx(10)
    assert len(list_quantized(out)) == 3
    with pytest.raises(UserError, match="some of the 3 convolutions to INT8, got 3"):
        int8.convert_int8(source, make_frames(32), out, keep_float=3)
    tiny = make_tiny_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(UserError, match=r"other than the heads to quantize, .*tiny\.onnx has none"):
        int8.convert_int8(tiny, make_frames(32), out)


def make_four_convolutions(path: Path) -> Path:
    """A deploy ONNX of 64x32 with three convolutions before that of its head, and random weights."""
    layer = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky\n\n"
    text = TINY_CFG.replace("[convolutional]", 3 * layer + "[convolutional]")
    model = export_graph(parse_cfg(text), dict(enumerate(random_convolutions(parse_cfg(text), seed=1))))
    metadata = {"darknet_cfg": text, "class_names": "\n".join(TINY_NAMES), "precision": "fp32"}
    onnx.helper.set_model_props(model, metadata)
    return save_model(model, path)


def list_quantized(path: Path) -> list[str]:
    """The convolutions whose weights are bytes."""
    return [
        node.name
        for node in onnx.load(path).graph.node
        if node.op_type == "Conv" and node.input[1].endswith("_dq")
    ]


def make_fp32_nano(folder: Path) -> Any:
    """The shipped doom-nano in FP32."""
    convert_darknet(find_model("doom-nano"), folder / "nano.weights")
    path = convert_onnx(folder / "nano.cfg", folder / "nano.weights", ["monster"], folder / "nano.onnx")
    return int8.load_fp32(path)


def read_recorded(count: int) -> list[NDArray[np.uint8]]:
    """Frames of the shipped recording as doom-nano takes them, spread over its length."""
    recording = open_replay(shipped_recording(), paced=False, clock=lambda: 0)
    frames = list(iterate_frames(recording))
    canvas = Canvas((640, 480))
    return [canvas.place(frame).copy() for frame in frames[:: len(frames) // count][:count]]
