"""One model at several costs: as it is, on half its threads, and then on ever smaller inputs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from capture.errors import UserError
from capture.frame import Frame, Region
from detection.boxes import SizeWH
from detection.detections import Detections
from detection.detector import DetectorSettings, YoloDetector, open_detector
from detection.signature import read_stride


@dataclass(frozen=True, slots=True)
class Rung:
    """A size of the model's input, and the runtime's threads; 0 leaves them to it."""

    input_px: SizeWH
    threads: int

    def __str__(self) -> str:
        width, height = self.input_px
        return f"{width}x{height}, threads {self.threads or 'auto'}"


class Ladder:
    """A detector that answers each frame on the rung that `level` says. All are open, so none is waited for.

    Every rung sees the whole frame, at its own scale.
    """

    def __init__(self, detectors: Sequence[YoloDetector], level: Callable[[], int]) -> None:
        """`detectors`: the dearest first. The ladder closes them."""
        self.class_names = detectors[0].class_names
        self.input_size_wh = detectors[0].input_size_wh
        self.rungs = tuple(_read_rung(one)[0] for one in detectors)
        self._detectors, self._level = tuple(detectors), level

    def detect(self, frame: Frame) -> Detections:
        """Boxes in pixels of the frame, most confident first."""
        return self._detectors[self._level()].detect(frame)

    def close(self) -> None:
        """Free all rungs."""
        _close(self._detectors)


def open_rungs(settings: DetectorSettings, rungs: Sequence[Rung] = ()) -> list[YoloDetector]:
    """The settings' model on `rungs`, or else on those that suit this machine; each has run once.

    UserError for a model that takes no other size.
    """
    opened = [open_detector(settings)]
    try:
        for rung in (rungs or plan_rungs(*_read_rung(opened[0]), settings.fallbacks))[1:]:
            opened.append(_open_rung(settings, rung))
    except UserError:
        _close(opened)
        raise
    for detector in opened:
        _warm_up(detector)
    return opened


def _close(detectors: Sequence[YoloDetector]) -> None:
    """The last first: each of OpenVINO's gives back the stack for signals that it found, freed or not."""
    for detector in reversed(detectors):
        detector.close()


def plan_rungs(whole: Rung, stride: int, fallbacks: Sequence[float]) -> list[Rung]:
    """The whole, the same on half its threads, and these parts of its input's sides on as many.

    A network waits for the slowest of its threads, so beside other work fewer are less late. Sides are
    rounded up to multiples of the model's stride; a size that is no smaller than the one before is left out.
    """
    rungs = [whole]
    threads = whole.threads // 2 or whole.threads
    width, height = whole.input_px
    for scale in (1.0, *fallbacks):
        rung = Rung((_round_up(width * scale, stride), _round_up(height * scale, stride)), threads)
        if rung not in rungs:
            rungs.append(rung)
    return rungs


def _read_rung(detector: YoloDetector) -> tuple[Rung, int]:
    """What it runs as, and the stride of its model."""
    return Rung(detector.input_size_wh, detector.backend.threads), read_stride(detector.backend.signature)


def _open_rung(settings: DetectorSettings, rung: Rung) -> YoloDetector:
    chosen = {"threads": rung.threads, "input_px": rung.input_px}
    try:
        return open_detector(settings.model_copy(update=chosen))
    except UserError as error:
        raise UserError(
            f"loop.adaptive needs a model that also takes {rung}: {error}; "
            "set loop.adaptive=false, or detector.backend=openvino for a model of ours"
        ) from error


def _warm_up(detector: YoloDetector) -> None:
    """The first run allocates what the others use."""
    width, height = detector.input_size_wh
    blank = np.zeros((height, width, 3), np.uint8)
    detector.detect(Frame(blank, 0, 0, Region(0, 0, width, height)))


def _round_up(side: float, stride: int) -> int:
    return math.ceil(round(side / stride, 6)) * stride  # 0.7 of a side is not quite that
