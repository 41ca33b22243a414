"""One model at several costs: which sizes, and boxes that come out alike."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_detector import make_tiny_onnx
from tiny_ultralytics import DYNAMIC, make_linear_onnx

from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.replay import open_replay
from detection.boxes import compute_iou
from detection.detections import Detections
from detection.detector import DetectorSettings, open_detector
from detection.ladder import Ladder, Rung, open_rungs, plan_rungs

BOX = np.array([[[4, 4, 44, 24, 0.9, 1]]], np.float32)
ROOT = Path(__file__).parent.parent
RECORDING = ROOT / "arena" / "recording"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def read_frames(count: int) -> list[Frame]:
    recording = open_replay(RECORDING, paced=False, clock=monotonic_ns)
    frames = [frame for _ in range(count) if (frame := recording.grab()) is not None]
    recording.close()
    return frames


def make_noise(width: int, height: int) -> Frame:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return Frame(pixels, 0, 0, Region(0, 0, width, height))


@pytest.mark.parametrize("model", ["doom-nano", "doom-tiny"])
def test_every_rung_of_a_shipped_model_finds_the_same_large_boxes_in_pixels_of_the_whole_frame(
    model: str,
) -> None:
    detectors = open_rungs(DetectorSettings(model=model))
    assert [one.input_size_wh for one in detectors[-3:]] == [(640, 480), (448, 352), (320, 256)]
    overlaps = []
    for frame in read_frames(120)[::4]:
        whole = detectors[0].detect(frame)
        tall = whole.select((whole.xyxy_px[:, 3] - whole.xyxy_px[:, 1] > 30) & (whole.confidence > 0.6))
        found = [detector.detect(frame).xyxy_px for detector in detectors[1:]]
        overlaps += [compute_iou(tall.xyxy_px, one).max(axis=1, initial=0) for one in found]
    Ladder(detectors, lambda: 0).close()
    best = np.concatenate(overlaps)
    assert len(best) >= 9
    assert best.min() > 0.7


def test_the_ladder_answers_on_the_level_that_it_is_told_at_each_frame() -> None:
    detectors = open_rungs(DetectorSettings(confidence=0.1, threads=2))
    level = 0
    ladder = Ladder(detectors, lambda: level)
    assert (ladder.input_size_wh, ladder.class_names) == ((640, 480), ("monster",))
    frame = next(one for one in read_frames(40) if len(detectors[0].detect(one)))
    for level, detector in enumerate(detectors):  # noqa: B007 what the ladder asks
        assert_equal(ladder.detect(frame), detector.detect(frame))
    ladder.close()


def assert_equal(one: Detections, other: Detections) -> None:
    np.testing.assert_array_equal(one.xyxy_px, other.xyxy_px)
    np.testing.assert_array_equal(one.confidence, other.confidence)


def test_a_graph_of_ours_decodes_alike_at_its_own_size_and_at_another(tmp_path: Path) -> None:
    """The tiny one sees each cell by itself, so a canvas of two pictures has the boxes of both."""
    settings = DetectorSettings(model=str(make_tiny_onnx(tmp_path / "tiny.onnx")), confidence=0.0, iou=1.0)
    frame = make_noise(64, 32)
    twice = Frame(np.concatenate([frame.pixels, frame.pixels], axis=1), 0, 0, Region(0, 0, 128, 32))
    one = open_detector(settings).detect(frame)
    both = open_detector(settings.model_copy(update={"input_px": (128, 32)})).detect(twice)
    assert len(both) == 2 * len(one)
    inside = one.select((one.xyxy_px[:, 0] > 0) & (one.xyxy_px[:, 2] < 64))
    for shift in (0, 64):
        shifted = inside.xyxy_px + np.array([shift, 0, shift, 0], np.float32)
        assert compute_iou(shifted, both.xyxy_px).max(axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("whole", "fallbacks", "expected"),
    [
        (
            Rung((640, 480), 4),
            (0.7, 0.5),
            [((640, 480), 4), ((640, 480), 2), ((448, 352), 2), ((320, 256), 2)],
        ),
        (Rung((416, 416), 1), (0.7, 0.5), [((416, 416), 1), ((320, 320), 1), ((224, 224), 1)]),
        (Rung((416, 416), 0), (0.5,), [((416, 416), 0), ((224, 224), 0)]),  # a back end that does not tell
        (Rung((64, 32), 1), (0.9,), [((64, 32), 1)]),  # rounded up it is no smaller
        (Rung((64, 32), 2), (), [((64, 32), 2), ((64, 32), 1)]),
    ],
)
def test_the_rungs_are_half_the_threads_and_then_parts_of_the_sides(
    whole: Rung, fallbacks: tuple[float, ...], expected: list[tuple[tuple[int, int], int]]
) -> None:
    assert [(rung.input_px, rung.threads) for rung in plan_rungs(whole, 32, fallbacks)] == expected


def test_rungs_that_a_recording_had_are_opened_as_they_were() -> None:
    recorded = [Rung((640, 480), 8), Rung((448, 352), 1)]
    detectors = open_rungs(DetectorSettings(threads=1), recorded)
    assert [one.input_size_wh for one in detectors] == [(640, 480), (448, 352)]


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_a_model_of_any_size_has_rungs_in_every_back_end(tmp_path: Path, backend: str) -> None:
    path = make_linear_onnx(tmp_path / "a.onnx", BOX, None, DYNAMIC)
    settings = DetectorSettings(model=str(path), backend=backend, input_px=(128, 96), threads=1)
    assert [one.input_size_wh for one in open_rungs(settings)] == [(128, 96), (96, 96), (64, 64)]


def test_a_model_that_takes_no_other_size_is_refused_in_one_line_with_what_mends_it() -> None:
    with pytest.raises(
        UserError, match=r"loop\.adaptive needs .*448x352, .*set loop\.adaptive=false"
    ) as caught:
        open_rungs(DetectorSettings(backend="onnx"))
    assert "\n" not in str(caught.value)


def test_a_signal_after_a_ladder_was_closed_does_not_crash() -> None:
    """OpenVINO sets a stack for signals up, which must not be one that is freed already."""
    program = (
        "import signal\n"
        "from detection.detector import DetectorSettings\n"
        "from detection.ladder import Ladder, open_rungs\n"
        "Ladder(open_rungs(DetectorSettings()), lambda: 0).close()\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled'))\n"
        "signal.raise_signal(signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
