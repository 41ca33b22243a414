"""Files in Ultralytics' layouts, opened and run by each back end."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from tiny_detector import make_tiny_onnx
from tiny_ultralytics import CLASSIC, DYNAMIC, NAMES, PACKAGE, make_linear_onnx

from capture.errors import UserError
from capture.frame import Frame, Region
from detection.detector import DetectorSettings, open_detector
from detection.preprocess import DARKNET_GREY, ULTRALYTICS_GREY

COLOURED_BOX = np.array([[[4, 4, 4, 4, 0, 1], [0, 0, 9, 9, 0.05, 0]]], np.float32)
BY_COLOUR = {(0, 0, 2): (40.0, 0, 0), (0, 0, 3): (0, 20.0, 0), (0, 0, 4): (0, 0, 1.0)}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def paint_frame(size_wh: tuple[int, int], bgr: tuple[int, ...]) -> Frame:
    width, height = size_wh
    return Frame(np.full((height, width, len(bgr)), bgr, np.uint8), 0, 0, Region(0, 0, width, height))


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("shape", [(1, 3, 32, 64), DYNAMIC])
@pytest.mark.parametrize("bgr", [(102, 102, 204), (102, 102, 204, 255)])
def test_a_model_of_floats_is_fed_red_green_and_blue_from_0_to_1(
    tmp_path: Path, backend: str, kind: int, shape: tuple[int | str, ...], bgr: tuple[int, ...]
) -> None:
    path = make_linear_onnx(tmp_path / "a.onnx", COLOURED_BOX, BY_COLOUR, shape, kind)
    detector = open_detector(DetectorSettings(model=str(path), backend=backend))
    found = detector.detect(paint_frame((64, 32), bgr))
    assert detector.input_size_wh == (64, 32)
    np.testing.assert_allclose(found.xyxy_px, [[4, 4, 4 + 40 * 0.8, 4 + 20 * 0.4]], rtol=2e-3)
    np.testing.assert_allclose(found.confidence, [0.4], rtol=2e-3)
    assert [detector.class_names[index] for index in found.class_id] == ["zombie"]
    detector.close()


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_a_model_of_any_size_runs_at_the_one_that_is_asked_for(tmp_path: Path, backend: str) -> None:
    path = make_linear_onnx(tmp_path / "a.onnx", COLOURED_BOX, BY_COLOUR, DYNAMIC)
    detector = open_detector(DetectorSettings(model=str(path), backend=backend, input_px=(128, 96)))
    assert detector.input_size_wh == (128, 96)
    found = detector.detect(paint_frame((256, 192), (102, 102, 204)))
    np.testing.assert_allclose(found.xyxy_px, [[8, 8, 8 + 80 * 0.8, 8 + 40 * 0.4]], rtol=2e-3)


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize("layout", ["objectness", "anchor_free"])
def test_each_layouts_file_is_decoded_and_its_overlaps_suppressed(
    tmp_path: Path, backend: str, layout: str
) -> None:
    rows = np.array(
        [
            [16, 16, 16, 16, 1, 0.1, 0.9, 0.2],
            [17, 16, 16, 16, 1, 0.1, 0.8, 0.2],  # the same thing again
            [17, 16, 16, 16, 1, 0.1, 0.2, 0.7],  # of another class
            [40, 16, 8, 16, 1, 0.2, 0.1, 0.1],  # unsure
        ],
        np.float32,
    )
    if layout == "objectness":
        path = make_linear_onnx(tmp_path / "a.onnx", rows[None], metadata=CLASSIC)
    else:
        path = make_linear_onnx(tmp_path / "a.onnx", np.delete(rows, 4, axis=1).T[None])
    detector = open_detector(DetectorSettings(model=str(path), backend=backend))
    found = detector.detect(paint_frame((64, 32), (9, 9, 9)))
    assert detector.class_names == tuple(NAMES.values())
    np.testing.assert_allclose(found.xyxy_px, [[8, 8, 24, 24], [9, 8, 25, 24]], atol=1e-4)
    np.testing.assert_allclose(found.confidence, [0.9, 0.7], rtol=1e-5)
    assert found.class_id.tolist() == [1, 2]


def test_what_a_graph_has_suppressed_itself_is_only_cut_to_the_limit(tmp_path: Path) -> None:
    rows = np.array([[8, 8, 24, 24, 0.9 - step / 10, 1] for step in range(4)], np.float32)
    path = str(make_linear_onnx(tmp_path / "a.onnx", rows[None]))
    assert len(open_detector(DetectorSettings(model=path)).detect(paint_frame((64, 32), (9, 9, 9)))) == 4
    cut = open_detector(DetectorSettings(model=path, max_detections=3)).detect(
        paint_frame((64, 32), (9, 9, 9))
    )
    np.testing.assert_allclose(cut.confidence, [0.9, 0.8, 0.7], rtol=1e-5)


def test_a_frame_of_another_shape_is_padded_with_the_grey_that_the_model_was_trained_with(
    tmp_path: Path,
) -> None:
    path = str(make_linear_onnx(tmp_path / "a.onnx", COLOURED_BOX))
    theirs = open_detector(DetectorSettings(model=path))
    ours = open_detector(DetectorSettings(model=str(make_tiny_onnx(tmp_path / "tiny.onnx"))))
    for detector, grey in ((theirs, ULTRALYTICS_GREY), (ours, DARKNET_GREY)):
        placed = detector.preprocess(paint_frame((32, 32), (9, 9, 9)))
        assert np.unique(placed[0, :, :16]).tolist() == [grey]
        assert np.unique(placed[0, :, 16:48]).tolist() == [9]


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_a_model_of_another_task_or_input_is_refused(tmp_path: Path, backend: str) -> None:
    other_task = make_linear_onnx(tmp_path / "a.onnx", COLOURED_BOX, metadata={**PACKAGE, "task": "pose"})
    with pytest.raises(UserError, match=r"a\.onnx is made to pose"):
        open_detector(DetectorSettings(model=str(other_task), backend=backend))
    half_open = make_linear_onnx(tmp_path / "b.onnx", COLOURED_BOX, input_shape=(1, 3, 32, "width"))
    with pytest.raises(UserError, match=r"input_px in multiples of 32, got \[70, 32\]"):
        open_detector(DetectorSettings(model=str(half_open), backend=backend, input_px=(70, 32)))
