"""COCO evaluation of a detector on labelled images."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from capture.errors import UserError
from detection.detections import Detections
from detection.detector import Detector, DetectorSettings
from detection.training.coco import dataset_to_coco
from detection.training.dataset import Dataset, Faults
from detection.training.frames import decode_image
from detection.training.report import require_matplotlib, write_report
from detection.training.scoring import Row, require_coco_eval, score_rows

Track = Callable[[Sequence[Any]], Iterable[Any]]

LOW_CONFIDENCE = 0.01


def settings_for_evaluation(settings: DetectorSettings) -> DetectorSettings:
    """The same detector, reporting nearly all boxes: average precision needs the unsure ones too."""
    return settings.model_copy(update={"confidence": LOW_CONFIDENCE})


def evaluate(
    detector: Detector,
    dataset: Dataset,
    model: str = "",
    class_agnostic: bool = False,
    track: Track = iter,
    predictions: Path | None = None,
    report: Path | None = None,
) -> dict[str, Any]:
    """COCO figures of a detector, opened with `settings_for_evaluation`; classes count unless it has one.

    The figures are those of `score_rows`. `track` wraps the images, for a progress bar; `predictions` is
    written as COCO results, in the data set's ids; `report` is a folder for the figures and the pictures of
    `write_report`. UserError for a missing package, for data without boxes to find or without the
    detector's classes, and for images that are not as labelled.
    """
    require_coco_eval()
    if report:
        require_matplotlib()
    if all(image.is_crowd.all() for image in dataset.images):
        raise UserError(
            f"expected boxes to find in {dataset.source}, got {len(dataset.images)} images of none"
        )
    agnostic = class_agnostic or len(detector.class_names) == 1
    rows = predict_images(detector, dataset, agnostic, track)
    if predictions:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predictions.write_text(json.dumps(rows), encoding="utf-8")
    coco = dataset_to_coco(dataset)
    figures = {
        "model": model,
        "images": len(dataset.images),
        **score_rows(coco, rows, agnostic),
        "class_agnostic": agnostic,
    }
    if report:
        write_report(report, coco, rows, figures)
    return figures


def predict_images(
    detector: Detector, dataset: Dataset, agnostic: bool = False, track: Track = iter
) -> list[Row]:
    """COCO result rows of all images; UserError if an image or a class does not match."""
    ids = dict(zip(dataset.class_names, dataset.category_ids, strict=True))
    unknown = [name for name in detector.class_names if name not in ids]
    if unknown and not agnostic:
        raise UserError(
            f"expected classes named like the model's in {dataset.source}, missing: {', '.join(unknown)}; "
            "add --class-agnostic to compare boxes alone"
        )
    own_ids = [ids.get(name, dataset.category_ids[0]) for name in detector.class_names]
    faults = Faults(dataset.source)
    rows: list[Row] = []
    for image in track(dataset.images):
        frame = decode_image(image, faults)
        if frame is not None and not faults.lines:  # after a fault, the others are looked for alone
            rows += detections_to_rows(detector.detect(frame), image.image_id, detector.class_names, own_ids)
    faults.raise_any()
    return rows


def detections_to_rows(
    detections: Detections, image_id: Any, class_names: Sequence[str], category_ids: Sequence[int | str]
) -> list[Row]:
    """COCO result rows of one image: bbox is left, top, width, height in its pixels."""
    return [
        {
            "image_id": image_id,
            "category_id": category_ids[class_id],
            "category": class_names[class_id],
            "bbox": [round(float(value), 2) for value in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(float(score), 5),
        }
        for (x1, y1, x2, y2), score, class_id in zip(
            detections.xyxy_px, detections.confidence, detections.class_id, strict=True
        )
    ]
