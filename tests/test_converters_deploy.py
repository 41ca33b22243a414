"""The deploy graph's forms: boxes decoded and suppressed inside as outside, pixels with alpha."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tiny_detector import make_tiny_onnx

from capture.errors import UserError
from capture.frame import Frame, Region
from converters.darknet import convert_darknet
from converters.decoding import Suppression, decode_planes
from converters.deploy import DeployForm
from converters.onnx import reform_onnx
from detection.boxes import suppress_overlaps
from detection.darknet import DarknetConfig, parse_cfg
from detection.decode import decode_heads, decode_rows
from detection.detections import Detections
from detection.detector import DetectorSettings, find_model, open_detector

GRIDS = ((2, 3, 32), (4, 6, 16))  # rows, columns, pixels a cell


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make_config(classes: int, scales: tuple[float, float], new_coords: tuple[int, int]) -> DarknetConfig:
    """Two heads of 2 and of 1 anchors, 96x64 pixels; of its layers only the heads are read."""
    sections = ["[net]\nwidth=96\nheight=64"]
    for (_, _, stride), mask, scale, squashed in zip(GRIDS, ("0,1", "2"), scales, new_coords, strict=True):
        if len(sections) > 1:
            sections.append("[upsample]\nstride=2")
        step = stride if len(sections) == 1 else 1
        filters = len(mask.split(",")) * (5 + classes)
        activation = "logistic" if squashed else "linear"
        sections.append(
            f"[convolutional]\nfilters={filters}\nsize={step}\nstride={step}\nactivation={activation}"
        )
        sections.append(
            f"[yolo]\nmask={mask}\nanchors=8,12, 20,30, 40,40\nclasses={classes}\n"
            f"scale_x_y={scale}\nnew_coords={squashed}"
        )
    return parse_cfg("\n\n".join(sections))


def run_decoding(
    heads: list[np.ndarray], config: DarknetConfig, candidates: int, rule: Suppression | None = None
) -> np.ndarray:
    """The rows that the graph makes of raw heads (1, h, w, A * (5 + C))."""
    names = [f"plane_{index}" for index in range(len(heads))]
    graph, shape = decode_planes(names, config, candidates, rule)
    planes = [np.ascontiguousarray(head.transpose(0, 3, 1, 2)) for head in heads]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, plane.shape)
        for name, plane in zip(names, planes, strict=True)
    ]
    output = helper.make_tensor_value_info("detections", TensorProto.FLOAT, shape)
    made = helper.make_graph(graph.nodes, "decoding", inputs, [output], graph.initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (rows,) = session.run(None, dict(zip(names, planes, strict=True)))
    assert rows.shape == tuple(shape)
    return rows


def draw_heads(seed: int, config: DarknetConfig, new_coords: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = [
        (1, *grid[:2], len(head.anchors_wh_px) * (5 + head.classes))
        for grid, head in zip(GRIDS, config.heads, strict=True)
    ]
    values = [rng.uniform(0, 1, size) if new_coords else rng.normal(0, 1.5, size) for size in sizes]
    return [value.astype(np.float32) for value in values]


def sort_detections(found: Detections) -> Detections:
    return found.select(np.argsort(-found.confidence, kind="stable"))


drawn = given(
    seed=st.integers(0, 10_000),
    classes=st.integers(1, 4),
    scales=st.tuples(*[st.sampled_from([1.0, 1.05, 2.0])] * 2),
    new_coords=st.booleans(),
)


@settings(max_examples=30, deadline=None)
@drawn
def test_boxes_decoded_inside_are_those_decoded_outside(
    seed: int, classes: int, scales: tuple[float, float], new_coords: bool
) -> None:
    config = make_config(classes, scales, (int(new_coords),) * 2)
    heads = draw_heads(seed, config, new_coords)
    found = decode_rows([run_decoding(heads, config, 300)], 0.1)
    expected = sort_detections(decode_heads(heads, config.heads, 0.1))
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-5)
    np.testing.assert_array_equal(found.class_id, expected.class_id)
    np.testing.assert_allclose(found.xyxy_px, expected.xyxy_px, rtol=1e-4, atol=1e-3)


@settings(max_examples=30, deadline=None)
@drawn
def test_suppression_inside_keeps_what_suppression_outside_keeps(
    seed: int, classes: int, scales: tuple[float, float], new_coords: bool
) -> None:
    config = make_config(classes, scales, (int(new_coords),) * 2)
    heads = draw_heads(seed, config, new_coords)
    rule = Suppression(iou=0.3, confidence=0.02, limit=10)
    rows = run_decoding(heads, config, 300, rule)
    found = decode_rows([rows], 0.05)
    every = decode_heads(heads, config.heads, 0.05)
    kept = suppress_overlaps(every.xyxy_px, every.confidence, every.class_id, rule.iou, rule.limit)
    expected = every.select(kept)
    np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-5)
    np.testing.assert_array_equal(found.class_id, expected.class_id)
    np.testing.assert_allclose(found.xyxy_px, expected.xyxy_px, rtol=1e-4, atol=1e-3)
    assert np.all(np.diff(rows[0, :, 4]) <= 0)  # what fills it up comes last


def test_only_the_best_candidates_are_decoded() -> None:
    config = make_config(2, (1.0, 1.0), (0, 0))
    heads = draw_heads(0, config, False)
    rows = run_decoding(heads, config, 5)
    best = sort_detections(decode_heads(heads, config.heads, 0.0)).confidence[:5]
    np.testing.assert_allclose(rows[0, :, 4], best, rtol=1e-5)


def test_a_wild_size_is_limited_as_outside() -> None:
    config = make_config(1, (1.0, 1.0), (0, 0))
    heads = [np.full_like(head, 1e4) for head in draw_heads(0, config, False)]
    rows = run_decoding(heads, config, 300)
    assert np.all(np.isfinite(rows))
    expected = decode_heads(heads, config.heads, 0.5)
    assert rows[0, :, 2].max() == pytest.approx(expected.xyxy_px[:, 2].max(), rel=1e-5)


def test_heads_that_disagree_about_new_coords_are_refused() -> None:
    with pytest.raises(UserError, match="new_coords= alike in every"):
        decode_planes(["a", "b"], make_config(1, (1.0, 1.0), (0, 1)), 300)


def make_frame(channels: int, seed: int = 0) -> Frame:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 64, 4), np.uint8)
    return Frame(np.ascontiguousarray(pixels[..., :channels]), 0, 0, Region(0, 0, 64, 32))


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_every_form_sees_the_same_boxes_whatever_the_alpha(tmp_path: Path, backend: str) -> None:
    raw = make_tiny_onnx(tmp_path / "raw.onnx")
    rule = Suppression(iou=0.55, confidence=0.0, limit=100)
    forms = (DeployForm(), DeployForm("bgra"), DeployForm("bgra", suppression=rule))
    paths = [reform_onnx(raw, tmp_path / f"{index}.onnx", form) for index, form in enumerate(forms)]
    expected, *others = (
        open_detector(DetectorSettings(model=str(path), backend=backend, confidence=0.0))
        for path in (raw, *paths)
    )
    for frame in (make_frame(3), make_frame(4)):
        wanted = expected.detect(frame)
        assert len(wanted)
        for detector in others:
            found = detector.detect(frame)
            np.testing.assert_allclose(found.xyxy_px, wanted.xyxy_px, atol=1e-3)
            np.testing.assert_allclose(found.confidence, wanted.confidence, rtol=1e-5)
            np.testing.assert_array_equal(found.class_id, wanted.class_id)


def test_a_frame_with_alpha_reaches_a_network_of_bgra_untouched(tmp_path: Path) -> None:
    path = reform_onnx(make_tiny_onnx(tmp_path / "raw.onnx"), tmp_path / "bgra.onnx", DeployForm("bgra"))
    detector = open_detector(DetectorSettings(model=str(path)))
    frame = make_frame(4)
    assert np.shares_memory(detector.preprocess(frame), frame.pixels)


def test_a_graph_can_be_reformed_again_and_keeps_its_weights(tmp_path: Path) -> None:
    shipped = find_model("doom-nano")
    rule = Suppression(iou=0.4, confidence=0.01, limit=50)
    there = reform_onnx(shipped, tmp_path / "there.onnx", DeployForm("bgra", 200, rule))
    back = reform_onnx(there, tmp_path / "back.onnx", DeployForm())
    straight = reform_onnx(shipped, tmp_path / "straight.onnx", DeployForm())
    assert onnx.load(back) == onnx.load(straight)
    metadata = {prop.key: prop.value for prop in onnx.load(there).metadata_props}
    assert metadata["precision"] == "int8"
    assert metadata["candidates"] == "200"
    assert metadata["nms"] == '{"iou": 0.4, "confidence": 0.01, "limit": 50}'


def test_darknet_files_of_every_form_are_alike(tmp_path: Path) -> None:
    raw = make_tiny_onnx(tmp_path / "raw.onnx")
    bgra = reform_onnx(raw, tmp_path / "bgra.onnx", DeployForm("bgra"))
    for name, path in (("raw", raw), ("bgra", bgra)):
        convert_darknet(path, tmp_path / f"{name}.weights")
    assert (tmp_path / "raw.weights").read_bytes() == (tmp_path / "bgra.weights").read_bytes()


def test_a_graph_without_its_heads_is_refused(tmp_path: Path) -> None:
    path = make_tiny_onnx(tmp_path / "raw.onnx")
    model = onnx.load(path)
    model.graph.node[-1].output[0] = model.graph.output[0].name = "other"
    onnx.save(model, path)
    with pytest.raises(UserError, match=r"expected the heads of 1 \[yolo\]"):
        reform_onnx(path, tmp_path / "out.onnx", DeployForm())
    assert not (tmp_path / "out.onnx").exists()
