"""Quantization: scales, ranges, the places of the Q/DQ pairs, and the gate."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_detector import make_tiny_onnx

from capture.errors import UserError
from capture.frame import Frame, Region
from converters import int8
from converters.calibrate import collect_ranges, entropy_range, percentile_range
from converters.deploy import DeployForm
from converters.onnx import reform_onnx
from converters.parity import compare_detectors
from converters.qdq import QdqScheme, activation_scale, head_convolutions, insert_qdq, quantize_weights
from detection.detector import DetectorSettings, open_detector
from detection.preprocess import Canvas
from detection.training.dataset import Dataset

VALIDATION = Dataset(Path("set"), (), ("thing",), (1,))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make_frames(count: int) -> list[Frame]:
    rng = np.random.default_rng(1)
    region = Region(0, 0, 64, 32)
    return [
        Frame(rng.integers(0, 256, (32, 64, 3), np.uint8), number, number, region) for number in range(count)
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([1, 3]))
def test_paired_weights_cannot_saturate_sixteen_bits(seed: int, inputs: int, size: int) -> None:
    kernel = np.random.default_rng(seed).standard_t(2, (4, inputs, size, size)).astype(np.float32)
    quantized, scale = quantize_weights(kernel, "paired")
    even = quantized[:, : inputs // 2 * 2].astype(np.int32).reshape(4, -1, 2, size, size)
    if even.size:
        assert 255 * np.maximum(even, 0).sum(axis=2).max() <= 32767
        assert 255 * np.maximum(-even, 0).sum(axis=2).max() <= 32768
    error = np.abs(quantized * scale[:, None, None, None] - kernel)
    assert np.all(error <= scale[:, None, None, None] * 0.5001)


@given(st.floats(-100, 100), st.floats(0, 100))
def test_zero_is_represented_exactly_and_the_range_is_covered(low: float, width: float) -> None:
    scale, zero = activation_scale(low, low + width, symmetric=False)
    assert zero.dtype == np.uint8
    step = float(scale)
    assert (0 - int(zero)) * step <= min(low, 0) + step
    assert (255 - int(zero)) * step >= max(low + width, 0) - step
    scale, zero = activation_scale(low, low + width, symmetric=True)
    assert zero.dtype == np.int8
    assert zero == 0
    assert 127.01 * scale >= max(-low, low + width)


def test_the_percentile_leaves_out_a_lone_outlier() -> None:
    counts = np.zeros(1000, np.int64)
    counts[100:200] = 10_000
    counts[999] = 1
    low, high = percentile_range(counts, (0.0, 10.0))
    assert low == pytest.approx(1.0, abs=0.02)
    assert high == pytest.approx(2.0, abs=0.03)


def test_entropy_cuts_a_thin_tail_and_keeps_a_full_range() -> None:
    values = np.arange(2048) * 100 / 2048
    bell = np.exp(-((values / 8) ** 2) / 2) * 1e6
    bell[-1] += 3
    low, high = entropy_range(bell.astype(np.int64), (0.0, 100.0))
    assert low == 0
    assert 16 < high < 60
    full = np.full(2048, 1000, np.int64)
    assert entropy_range(full, (-1.0, 1.0)) == pytest.approx((-1, 1), abs=0.07)
    assert entropy_range(full, (-0.1, 1.0)) == pytest.approx((-0.1, 1), abs=0.07)


def test_ranges_are_those_of_the_frames(tmp_path: Path) -> None:
    model = onnx.load(make_tiny_onnx(tmp_path / "tiny.onnx"))
    images = [np.full((1, 32, 64, 3), value, np.uint8) for value in (10, 200)]
    found = collect_ranges(model, images, ["nchw"], ["minmax", "percentile", "entropy"])
    assert found["minmax"]["nchw"] == (10, 200)
    assert all(0 <= low <= high <= 201 for low, high in (found[method]["nchw"] for method in found))


def test_the_heads_stay_in_float_unless_asked(tmp_path: Path) -> None:
    model = onnx.load(make_tiny_onnx(tmp_path / "tiny.onnx"))
    assert head_convolutions(model.graph) == ("conv_0",)
    kept = insert_qdq(model, {}, int8.default_scheme(model))
    assert not any("Quantize" in node.op_type for node in kept.graph.node)
    quantized = insert_qdq(model, {"nchw": (0, 255)}, QdqScheme())
    assert [node.op_type for node in quantized.graph.node].count("QuantizeLinear") == 1
    types = {value.name: value.data_type for value in quantized.graph.initializer}
    assert types["conv_0_weights"] == onnx.TensorProto.INT8
    assert types["nchw_q_zero"] == onnx.TensorProto.UINT8


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("form", [None, DeployForm(), DeployForm("bgra")])
def test_an_int8_model_sees_what_its_fp32_model_sees(
    tmp_path: Path, symmetric: bool, form: DeployForm | None
) -> None:
    source = make_tiny_onnx(tmp_path / "tiny.onnx")
    source = reform_onnx(source, source, form) if form else source
    out = tmp_path / "made" / "int8.onnx"
    scheme = QdqScheme(symmetric=symmetric, weights="full" if symmetric else "paired")
    result = int8.convert_int8(source, make_frames(32), out, method="minmax", scheme=scheme)
    assert result["written"]
    assert result["frames"] == 32
    before, after = (
        open_detector(DetectorSettings(model=str(path), backend="openvino", confidence=0.0, iou=1.0))
        for path in (source, out)
    )
    assert (before.precision, after.precision) == ("fp32", "int8")
    agreement = compare_detectors(before, after, make_frames(4))
    assert agreement["matched_share"] == 1
    assert agreement["iou"]["mean"] > 0.8
    assert agreement["score_difference"]["max"] < 0.05


def test_dark_frames_take_no_light_from_the_image(tmp_path: Path) -> None:
    source, region = make_tiny_onnx(tmp_path / "tiny.onnx"), Region(0, 0, 64, 32)
    dark = [Frame(np.full((32, 64, 3), 9, np.uint8), number, number, region) for number in range(32)]
    int8.convert_int8(source, dark, tmp_path / "int8.onnx", method="minmax", scheme=QdqScheme())
    graph = onnx.load(tmp_path / "int8.onnx").graph
    values = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    assert (values["nchw_q_scale"], values["nchw_q_zero"]) == (1, 0)  # bytes as they are, up to 255


@pytest.mark.parametrize(
    ("after", "force", "written"), [(0.597, False, True), (0.58, False, False), (0.58, True, True)]
)
def test_a_drop_beyond_the_gate_writes_nothing_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: float, force: bool, written: bool
) -> None:
    source = make_tiny_onnx(tmp_path / "tiny.onnx")
    monkeypatch.setattr(int8, "evaluate_model", lambda model, *_, **__: 0.6 if model == source else after)
    out = tmp_path / "int8.onnx"
    result = int8.convert_int8(
        source, make_frames(32), out, VALIDATION, "minmax", force=force, keep_float=0, scheme=QdqScheme()
    )
    assert result["drop"] == pytest.approx(100 * (0.6 - after))
    assert result["written"] is written
    assert out.exists() is written


def test_too_few_frames_are_refused_with_the_number_wanted(tmp_path: Path) -> None:
    source = make_tiny_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(UserError, match="at least 32 frames to calibrate on, got 3"):
        int8.convert_int8(source, make_frames(3), tmp_path / "out.onnx", scheme=QdqScheme())


def test_of_many_frames_an_even_part_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "MOST_FRAMES", 80)
    region = Region(0, 0, 2, 1)
    frames = [Frame(np.full((1, 2, 3), number, np.uint8), number, number, region) for number in range(200)]
    kept = [int(image[0, 0, 0, 0]) for image in int8.place_frames(frames, Canvas((2, 1)))]
    assert kept == list(range(0, 200, 4))


def test_frames_that_are_scaled_stay_apart() -> None:
    region = Region(0, 0, 8, 4)
    frames = [Frame(np.full((4, 8, 3), number, np.uint8), number, number, region) for number in range(40)]
    kept = [int(image[0, 0, 0, 0]) for image in int8.place_frames(frames, Canvas((2, 1)))]
    assert kept == list(range(40))


def test_a_foreign_model_and_an_int8_model_are_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"junk")
    with pytest.raises(UserError, match="another kind of file"):
        int8.load_fp32(junk)
    foreign = make_tiny_onnx(tmp_path / "foreign.onnx", {})
    with pytest.raises(UserError, match="one without its metadata"):
        int8.load_fp32(foreign)
    done = make_tiny_onnx(tmp_path / "done.onnx", {"darknet_cfg": "x", "precision": "int8"})
    with pytest.raises(UserError, match="is int8"):
        int8.load_fp32(done)


def test_a_model_agrees_with_itself_and_not_with_another(tmp_path: Path) -> None:
    paths = [make_tiny_onnx(tmp_path / f"{seed}.onnx", seed=seed) for seed in (0, 1)]
    same, other = (
        open_detector(DetectorSettings(model=str(path), backend="onnx", confidence=0.0)) for path in paths
    )
    frames = make_frames(4)
    agreement = compare_detectors(same, same, frames)
    assert agreement["matched_share"] == 1
    assert agreement["iou"] == {"mean": pytest.approx(1, abs=1e-5), "min": pytest.approx(1, abs=1e-5)}
    assert agreement["score_difference"]["max"] == 0
    assert compare_detectors(same, other, frames)["matched_share"] < 1
