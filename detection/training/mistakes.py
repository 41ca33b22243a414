"""The mistakes of an evaluation, worst first: labels that were missed, and predictions of nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from detection.boxes import compute_iou, xywh_to_xyxy
from detection.training.scoring import IOU, Coco, Row, Verdicts

Kind = Literal["region", "labelled", "unsure", "predicted"]
Box = Mapping[str, Any]

NEAR_IOU = 0.1


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, with what is needed to show it.

    xywh: its box; boxes: all boxes to draw in its image, the last on top, its own among them; "unsure" are
    predictions below the confidence. caption: two lines.
    """

    image_path: Path
    xywh: Sequence[float]
    boxes: list[tuple[Kind, Sequence[float]]]
    caption: tuple[str, str]


def find_misses(coco: Coco, rows: Sequence[Row], verdicts: Verdicts, confidence: float) -> list[Mistake]:
    """The labels that no prediction of at least `confidence` found, largest first."""
    sure = np.array([row["score"] >= confidence for row in rows], np.bool_)
    found = set(verdicts.partner[sure].tolist())
    missed = [
        label
        for index, label in enumerate(coco["annotations"])
        if verdicts.wanted[index] and index not in found
    ]
    missed.sort(key=lambda label: -float(label["bbox"][2] * label["bbox"][3]))
    images = _Images(coco, rows, confidence)
    mistakes = []
    for label in missed:
        row, iou = _find_nearest(label, images.rows.get(label["image_id"], []))
        says = (
            f"nearest: {images.name(row)}{row['score']:.2f}, IoU {iou:.2f}"
            if row
            else "nothing predicted near"
        )
        caption = (f"{images.name(label)}{label['bbox'][3]:.0f} px high", says)
        mistakes.append(images.describe(label, row, caption))
    return mistakes


def find_false_alarms(
    coco: Coco, rows: Sequence[Row], verdicts: Verdicts, confidence: float
) -> list[Mistake]:
    """The predictions of at least `confidence` that found no label, surest first."""
    wrong = [
        row
        for row, partner, ignored in zip(rows, verdicts.partner, verdicts.ignored, strict=True)
        if row["score"] >= confidence and partner < 0 and not ignored
    ]
    wrong.sort(key=lambda row: -float(row["score"]))
    found = {
        id(coco["annotations"][partner])
        for row, partner in zip(rows, verdicts.partner, strict=True)
        if row["score"] >= confidence and partner >= 0
    }
    images = _Images(coco, rows, confidence)
    mistakes = []
    for row in wrong:
        label, iou = _find_nearest(row, images.labels.get(row["image_id"], []))
        says = "nothing labelled near"
        if label:
            twice = iou >= IOU and id(label) in found
            says = f"nearest: {images.name(label)}IoU {iou:.2f}{', found twice' if twice else ''}"
        caption = (f"{images.name(row)}{row['score']:.2f}, {row['bbox'][3]:.0f} px high", says)
        mistakes.append(images.describe(row, None, caption))
    return mistakes


class _Images:
    """The labels and rows of each image, and how to speak of them."""

    def __init__(self, coco: Coco, rows: Sequence[Row], confidence: float) -> None:
        self._confidence = confidence
        self._paths = {image["id"]: Path(image["file_name"]) for image in coco["images"]}
        self._names = {category["id"]: category["name"] for category in coco["categories"]}
        crowds = [label for label in coco["annotations"] if label.get("iscrowd")]
        self._crowds = _group_by_image(crowds)
        self.labels = _group_by_image([label for label in coco["annotations"] if not label.get("iscrowd")])
        self.rows = _group_by_image(rows)

    def name(self, box: Box) -> str:
        """The box's class and a space, a row's as the model calls it; nothing where there is only one."""
        if len(self._names) == 1:
            return ""
        return f"{box.get('category') or self._names[box['category_id']]} "

    def describe(self, box: Box, near: Box | None, caption: tuple[str, str]) -> Mistake:
        """The mistake of one box; `near` is a prediction to draw also where it is below the confidence."""
        image_id = box["image_id"]
        boxes: list[tuple[Kind, Sequence[float]]] = []
        boxes += [("region", label["bbox"]) for label in self._crowds.get(image_id, [])]
        boxes += [("labelled", label["bbox"]) for label in self.labels.get(image_id, [])]
        for row in self.rows.get(image_id, []):
            if row["score"] >= self._confidence:
                boxes.append(("predicted", row["bbox"]))
            elif row is near:
                boxes.append(("unsure", row["bbox"]))
        return Mistake(self._paths[image_id], box["bbox"], boxes, caption)


def _find_nearest(box: Box, others: Sequence[Box]) -> tuple[Box | None, float]:
    """What overlaps a box most, and by how much; None if that is next to nothing."""
    if not others:
        return None, 0.0
    xyxy = xywh_to_xyxy(np.array([box["bbox"], *(other["bbox"] for other in others)], np.float32))
    overlaps = compute_iou(xyxy[:1], xyxy[1:])[0]
    best = int(overlaps.argmax())
    return (others[best] if overlaps[best] >= NEAR_IOU else None), float(overlaps[best])


def _group_by_image(boxes: Sequence[Box]) -> dict[Any, list[Box]]:
    grouped: dict[Any, list[Box]] = {}
    for box in boxes:
        grouped.setdefault(box["image_id"], []).append(box)
    return grouped
