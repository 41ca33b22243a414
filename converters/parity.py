"""Two detectors on the same frames: do they see the same boxes?"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame
from detection.boxes import compute_iou, match_boxes
from detection.detections import Detections
from detection.detector import Detector

MATCH_IOU = 0.5


def compare_detectors(
    first: Detector,
    second: Detector,
    frames: Iterable[Frame],
) -> dict[str, Any]:
    """How far two detectors agree on frames.

    Returns frames, boxes_a, boxes_b, matched (same class, overlap of 0.5 or more), matched_share (of the
    boxes of both, 1 where neither found any), iou {mean, min} and score_difference {mean, max} of the
    matched pairs; None where there are none.
    """
    count = boxes_a = boxes_b = 0
    ious: list[NDArray[np.float32]] = []
    differences: list[NDArray[np.float32]] = []
    for frame in frames:
        count += 1
        seen_a, seen_b = first.detect(frame), second.detect(frame)
        boxes_a, boxes_b = boxes_a + len(seen_a), boxes_b + len(seen_b)
        iou, difference = match_detections(seen_a, seen_b)
        ious.append(iou)
        differences.append(difference)
    iou = np.concatenate(ious) if ious else np.zeros(0, np.float32)
    difference = np.concatenate(differences) if differences else np.zeros(0, np.float32)
    total = boxes_a + boxes_b
    return {
        "frames": count,
        "boxes_a": boxes_a,
        "boxes_b": boxes_b,
        "matched": len(iou),
        "matched_share": 2 * len(iou) / total if total else 1.0,
        "iou": {"mean": float(iou.mean()), "min": float(iou.min())} if len(iou) else None,
        "score_difference": (
            {"mean": float(difference.mean()), "max": float(difference.max())} if len(iou) else None
        ),
    }


def match_detections(a: Detections, b: Detections) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Overlap and absolute score difference of each matched pair, (M,) both."""
    ious: list[float] = []
    differences: list[float] = []
    for class_id in np.unique(a.class_id):
        in_a, in_b = a.select(a.class_id == class_id), b.select(b.class_id == class_id)
        partner = match_boxes(in_a.xyxy_px, in_b.xyxy_px, MATCH_IOU)
        overlaps = compute_iou(in_a.xyxy_px, in_b.xyxy_px)
        for index in np.flatnonzero(partner >= 0):
            ious.append(float(overlaps[index, partner[index]]))
            differences.append(abs(float(in_a.confidence[index] - in_b.confidence[partner[index]])))
    return np.array(ious, np.float32), np.array(differences, np.float32)
