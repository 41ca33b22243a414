"""A detector whose answers are held against the game's truth, or replaced by it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arena.labels import MIN_SIDE_PX
from arena.score import divide
from arena.truth import Box, Tic, TruthLog
from capture.frame import Frame
from detection.boxes import match_boxes
from detection.detections import Detections
from detection.detector import Detector

SAME_IOU = 0.3
"""A box found and a true one are the same from here on; the detector's idea of a box's edge may differ."""
SEEN_HEIGHT_PX = 16.0
"""Monsters less tall are left out of recall."""


@dataclass(slots=True)
class Sightings:
    """What a detector found of what there was, over a run; `unpaired`: pictures that no tic belongs to."""

    pictures: int = 0
    unpaired: int = 0
    found: int = 0
    missed: int = 0
    false: int = 0
    errors_px: list[float] = field(default_factory=list)

    def add(self, detections: Detections, tic: Tic | None, confidence: float) -> None:
        """Hold one answer against the truth; boxes below `confidence` are no targets, and left out."""
        self.pictures += 1
        if tic is None:
            self.unpaired += 1
            return
        sure = detections.select(detections.confidence >= confidence)
        boxes = visible_boxes(tic)
        partner = match_boxes(sure.xyxy_px, make_xyxy(boxes), SAME_IOU)
        matched = set(partner.tolist())
        for index, box in enumerate(boxes):
            if box[3] - box[1] >= SEEN_HEIGHT_PX and box[2] - box[0] >= MIN_SIDE_PX:
                self.found += index in matched
                self.missed += index not in matched
        self.false += int((partner < 0).sum())
        for xyxy, other in zip(sure.xyxy_px.tolist(), partner.tolist(), strict=True):
            if other >= 0:
                self.errors_px.append(abs(xyxy[0] + xyxy[2] - boxes[other][0] - boxes[other][2]) / 2)

    def summary(self) -> dict[str, Any]:
        """Recall, false boxes a picture, the median error of a box's middle, and the share not paired."""
        paired = self.pictures - self.unpaired
        return {
            "pictures": self.pictures,
            "unpaired": divide(self.unpaired, self.pictures),
            "recall": divide(self.found, self.found + self.missed),
            "false_a_picture": divide(self.false, paired),
            "middle_error_px": round(float(np.median(self.errors_px)), 2) if self.errors_px else None,
        }


class WatchedDetector:
    """Detects as the detector it has, at its speed and its load; `tells_truth` answers with the truth."""

    def __init__(
        self,
        detector: Detector,
        truth: TruthLog,
        confidence: float,
        tells_truth: bool,
        sightings: Sightings,
    ) -> None:
        """`sightings` takes in how its answers compare with the truth."""
        self._detector, self._truth, self._confidence = detector, truth, confidence
        self._tells_truth = tells_truth
        self.class_names = detector.class_names
        self.input_size_wh = detector.input_size_wh
        self._sightings = sightings

    def detect(self, frame: Frame) -> Detections:
        """The detector's boxes, or, as late as those, the true ones of this picture."""
        detections = self._detector.detect(frame)
        tic = self._truth.find(frame.pixels)
        self._sightings.add(detections, tic, self._confidence)
        if not self._tells_truth:
            return detections
        boxes = visible_boxes(tic) if tic else []
        return Detections(make_xyxy(boxes), np.ones(len(boxes), np.float32), np.zeros(len(boxes), np.int32))

    def close(self) -> None:
        """The detector stays open for the next player."""


def visible_boxes(tic: Tic) -> list[Box]:
    """Boxes of the living monsters in sight."""
    return [monster.box for monster in tic.monsters if monster.box]


def make_xyxy(boxes: list[Box]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(N, 4)."""
    return np.asarray(boxes, np.float32).reshape(-1, 4)
