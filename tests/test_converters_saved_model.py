"""SavedModels: what is written gives the boxes and heads of the ONNX that it comes from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_detector import TINY_CFG, TINY_NAMES, make_tiny_onnx

from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.replay import open_replay
from converters import saved_model as converter
from converters.darknet import DarknetModel, convert_darknet, read_darknet
from converters.onnx import convert_onnx
from converters.parity import compare_detectors
from converters.saved_model import convert_saved_model, fold_convolutions
from detection.darknet import parse_cfg, read_cfg
from detection.detector import DetectorSettings, YoloDetector, find_model, open_detector
from detection.saved_model import METADATA, read_metadata
from detection.weights import Convolution, read_weights, write_weights
from tools.darknet_parity import random_convolutions

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")

CFG = Path(__file__).parent / "every_layer.cfg"
RECORDING = Path(__file__).parents[1] / "arena" / "recording"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A deploy ONNX of the cfg with every layer, whose batch norms do something, and its SavedModel."""
    folder = tmp_path_factory.mktemp("pair")
    config = read_cfg(CFG)
    weights = folder / "random.weights"
    write_weights(weights, random_convolutions(config, seed=1))
    model = DarknetModel(config, read_weights(config, weights), TINY_NAMES)
    return (
        convert_onnx(CFG, weights, TINY_NAMES, folder / "model.onnx"),
        convert_saved_model(model, folder / "new" / "saved"),
    )


@pytest.fixture(scope="module")
def saved(pair: tuple[Path, Path]) -> Path:
    return pair[1]


def open_all(path: Path, backend: str = "auto") -> YoloDetector:
    """A detector that reports all that it finds."""
    return open_detector(DetectorSettings(model=str(path), backend=backend, confidence=0.0, iou=1.0))


def test_it_sees_the_boxes_that_openvino_sees_with_the_onnx(pair: tuple[Path, Path]) -> None:
    one, other = (open_all(path) for path in pair)
    assert (one.backend.name, other.backend.name) == ("openvino", "tensorflow")
    rng = np.random.default_rng(0)
    frames = [
        Frame(rng.integers(0, 256, (70, 90, 4), np.uint8), 0, 0, Region(0, 0, 90, 70)) for _ in range(3)
    ]
    agreement = compare_detectors(one, other, frames)
    assert agreement["boxes_a"] == agreement["boxes_b"] == agreement["matched"] > 60
    assert agreement["iou"]["min"] > 0.999
    assert agreement["score_difference"]["max"] < 1e-4


def test_the_heads_come_in_the_order_of_the_cfg(saved: Path) -> None:
    heads = open_all(saved).infer(np.zeros((1, 64, 96, 3), np.uint8))
    assert [head.shape for head in heads] == [(1, 4, 6, 7), (1, 8, 12, 14)]


def test_the_graph_is_convolutions_without_batch_norms(saved: Path) -> None:
    import tensorflow as tf

    graph = tf.saved_model.load(str(saved)).signatures["serving_default"].graph.as_graph_def()
    kinds = [node.op for function in graph.library.function for node in function.node_def]
    assert kinds.count("BiasAdd") == len(read_cfg(CFG).kernels)
    assert not {"Rsqrt", "FusedBatchNormV3"} & set(kinds)


def test_the_detector_knows_what_it_opened(saved: Path) -> None:
    detector = open_all(saved)
    assert detector.backend.name == "tensorflow"
    assert detector.class_names == TINY_NAMES
    assert detector.input_size_wh == (96, 64)
    assert detector.precision == "fp32"
    assert read_metadata(saved)["darknet_cfg"] == CFG.read_text()


@pytest.mark.parametrize("name", ["doom-nano", "doom-tiny"])
def test_a_shipped_model_sees_in_tensorflow_what_its_fp32_onnx_sees(name: str, tmp_path: Path) -> None:
    back = convert_darknet(find_model(name), tmp_path / "back.weights")
    names = Path(back["names"]).read_text().split()
    onnx = convert_onnx(Path(back["cfg"]), Path(back["out"]), names, tmp_path / "fp32.onnx")
    saved = convert_saved_model(read_darknet(find_model(name)), tmp_path / "saved")
    one, other = (open_detector(DetectorSettings(model=str(path))) for path in (onnx, saved))
    assert (one.backend.name, other.backend.name) == ("openvino", "tensorflow")
    frames = list(iter(open_replay(RECORDING, paced=False, clock=monotonic_ns).grab, None))[::12]
    agreement = compare_detectors(one, other, frames)
    assert agreement["boxes_a"] >= 8
    assert agreement["matched_share"] == 1
    assert agreement["iou"]["min"] > 0.999
    assert agreement["score_difference"]["max"] < 1e-3


def test_a_model_written_twice_is_the_last_one(tmp_path: Path) -> None:
    frame = Frame(np.full((32, 64, 3), 90, np.uint8), 0, 0, Region(0, 0, 64, 32))
    found = []
    for seed in (1, 2):
        source = make_tiny_onnx(tmp_path / f"{seed}.onnx", seed=seed)
        saved = convert_saved_model(read_darknet(source), tmp_path / "saved")
        one, other = (open_all(path).detect(frame) for path in (source, saved))
        np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-5)
        found.append(other.confidence)
    assert not np.allclose(found[0], found[1], atol=1e-3)


def test_a_conversion_that_fails_leaves_the_older_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("No space left on device")

    source = read_darknet(make_tiny_onnx(tmp_path / "tiny.onnx"))
    saved = convert_saved_model(source, tmp_path / "saved")
    before = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    monkeypatch.setattr(converter, "write_metadata", fail)
    with pytest.raises(OSError, match="No space"):
        convert_saved_model(read_darknet(make_tiny_onnx(tmp_path / "tiny.onnx", seed=1)), saved)
    assert before == {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}


def test_folding_moves_norm_colours_and_range_into_the_kernel() -> None:
    config = parse_cfg(TINY_CFG)
    kernel = np.random.default_rng(0).normal(size=(14, 3, 32, 32)).astype(np.float32)
    norm = np.repeat(np.array([2, 0, 1 - 1e-5], np.float32)[:, None], 14, axis=1)
    folded = fold_convolutions(config, {0: Convolution(kernel, np.ones(14, np.float32), norm)})[0]
    assert folded.norm is None
    np.testing.assert_allclose(folded.kernel, kernel[:, [2, 1, 0]] * 2 / 255, rtol=1e-5)
    np.testing.assert_array_equal(folded.bias, 1)


def test_a_network_that_computes_something_else_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fold_wrong(*network: Any) -> dict[int, Convolution]:
        folded = fold_convolutions(*network)
        return {index: replace(layer, bias=layer.bias + 1) for index, layer in folded.items()}

    monkeypatch.setattr(converter, "fold_convolutions", fold_wrong)
    source = read_darknet(make_tiny_onnx(tmp_path / "tiny.onnx"))
    with pytest.raises(UserError, match="expected the SavedModel and its cfg's network to agree"):
        convert_saved_model(source, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.onnx"]


def test_a_folder_of_other_things_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    source = read_darknet(make_tiny_onnx(tmp_path / "tiny.onnx"))
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UserError, match="expected --out to be a new folder or an older SavedModel"):
            convert_saved_model(source, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "tiny.onnx"]


def test_names_that_do_not_fit_the_classes_are_refused(tmp_path: Path) -> None:
    source = read_darknet(make_tiny_onnx(tmp_path / "tiny.onnx"))
    model = DarknetModel(source.config, source.convolutions, ("imp",))
    with pytest.raises(UserError, match="expected 2 class names, got 1"):
        convert_saved_model(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_keras_on_another_backend_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    source = read_darknet(make_tiny_onnx(tmp_path / "tiny.onnx"))
    with pytest.raises(UserError, match=r"expected Keras 3 on tensorflow .* on jax; .*KERAS_BACKEND"):
        convert_saved_model(source, tmp_path / "out")


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a SavedModel folder, got .*convert saved-model") as caught:
        find_model(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "not json"])
def test_a_saved_model_of_someone_else_is_refused(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    if content is not None:
        (tmp_path / METADATA).parent.mkdir()
        (tmp_path / METADATA).write_text(content)
    with pytest.raises(UserError, match=r"made by `run_aimbot\.py convert saved-model`.*assets\.extra"):
        open_all(tmp_path)


def test_a_damaged_saved_model_is_refused_in_one_line(saved: Path, tmp_path: Path) -> None:
    (tmp_path / METADATA).parent.mkdir()
    (tmp_path / METADATA).write_text((saved / METADATA).read_text())
    (tmp_path / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(
        UserError, match=r"expected a SavedModel in .*, TensorFlow 2.* cannot read it"
    ) as caught:
        open_all(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_than_the_back_end_takes_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected an \.onnx file for backend openvino, got .*saved"):
        open_all(saved, "openvino")
    with pytest.raises(UserError, match=r"expected a SavedModel folder .* for backend tensorflow"):
        open_all(make_tiny_onnx(tmp_path / "tiny.onnx"), "tensorflow")


@pytest.mark.parametrize("content", ["[1]", "{}"])
def test_metadata_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / METADATA).parent.mkdir()
    (tmp_path / METADATA).write_text(content)
    with pytest.raises(UserError, match=r"made by `run_aimbot\.py convert saved-model`"):
        read_metadata(tmp_path)


def test_others_may_read_it_as_they_may_other_folders(saved: Path) -> None:
    assert saved.stat().st_mode == saved.parent.stat().st_mode
