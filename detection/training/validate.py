"""mAP50 of a Keras network on labelled frames, while it learns."""

import math
from typing import Any

import numpy as np

from detection.boxes import suppress_overlaps, xyxy_to_xywh
from detection.darknet import DarknetConfig
from detection.decode import decode_heads
from detection.detections import Detections
from detection.detector import DetectorSettings
from detection.network import list_heads
from detection.training.evaluate import detections_to_rows, settings_for_evaluation
from detection.training.frames import LabelledFrames
from detection.training.scoring import score_rows

DETECTOR = settings_for_evaluation(DetectorSettings())
"""Validation sees what `evaluate` will see."""
BATCH = 8


class Validator:
    """Scores a network every so many steps, and at the end; keeps what it found last."""

    def __init__(
        self, network: Any, config: DarknetConfig, frames: LabelledFrames, every: int, step: int
    ) -> None:
        self.frames = frames
        self._network, self._config = network, config
        self._every, self._round = every, step // every
        self.found: list[Detections] = []
        self.map50 = math.nan

    def score_if_due(self, step: int, is_last: bool) -> float:
        """The mAP50, or nan where none is due."""
        if step // self._every == self._round and not is_last:
            return math.nan
        self._round = step // self._every
        self.found = predict_frames(self._network, self._config, self.frames)
        self.map50 = score_map50(self.found, self.frames, self._config.heads[0].classes)
        return self.map50


def predict_frames(network: Any, config: DarknetConfig, frames: LabelledFrames) -> list[Detections]:
    """What the network finds in each frame, nearly all of it, best first, in pixels of its input."""
    found: list[Detections] = []
    for first in range(0, len(frames.pixels), BATCH):
        pixels = frames.pixels[first : first + BATCH]
        # A short last batch is filled up: another size would be compiled anew.
        images = np.resize(pixels, (BATCH, *pixels.shape[1:]))[..., ::-1].astype(np.float32) / 255
        heads = list_heads(network.predict_on_batch(images))
        for index in range(len(pixels)):
            own = [np.asarray(head[index : index + 1], np.float32) for head in heads]
            found.append(_suppress(decode_heads(own, config.heads, DETECTOR.confidence)))
    return found


def score_map50(found: list[Detections], frames: LabelledFrames, classes: int) -> float:
    """COCO's mAP at an overlap of 0.5; regions to ignore (class -1) are crowds there."""
    names = [f"class {index}" for index in range(classes)]
    coco = frames_to_coco(frames, names)
    rows = [
        row
        for image_id, detections in enumerate(found)
        for row in detections_to_rows(detections, image_id, names, range(classes))
    ]
    return float(score_rows(coco, rows, classes == 1)["map50"]) if rows else 0.0


def frames_to_coco(frames: LabelledFrames, names: list[str]) -> dict[str, Any]:
    """The boxes as COCO annotations, in pixels of the frames."""
    annotations = []
    for image_id, rows in enumerate(frames.boxes):
        rows = rows[(rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])]
        for bbox, class_id in zip(xyxy_to_xywh(rows[:, :4]).tolist(), rows[:, 4].astype(int), strict=True):
            # An ignored region is one for every class.
            for category in range(len(names)) if class_id < 0 else [int(class_id)]:
                box = {"image_id": image_id, "category_id": category, "bbox": bbox}
                annotations.append({**box, "iscrowd": int(class_id < 0)})
    return {
        "images": [{"id": index, "file_name": str(index)} for index in range(len(frames.boxes))],
        "annotations": annotations,
        "categories": [{"id": index, "name": name} for index, name in enumerate(names)],
    }


def _suppress(found: Detections) -> Detections:
    limits = DETECTOR.iou, DETECTOR.max_detections
    return found.select(suppress_overlaps(found.xyxy_px, found.confidence, found.class_id, *limits))
