"""COCO evaluation of a detector on labelled images."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from capture.errors import UserError
from capture.frame import Frame, Region
from detection.detections import Detections
from detection.detector import Detector, DetectorSettings
from detection.training.report import require_matplotlib, write_report
from detection.training.scoring import Coco, Row, require_coco_eval, score_rows

Track = Callable[[Sequence[Any]], Iterable[Any]]

LOW_CONFIDENCE = 0.01
KEYS = {
    "images": ("id", "file_name"),
    "annotations": ("image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


def settings_for_evaluation(settings: DetectorSettings) -> DetectorSettings:
    """The same detector, reporting nearly all boxes: average precision needs the unsure ones too."""
    return settings.model_copy(update={"confidence": LOW_CONFIDENCE})


def evaluate(
    detector: Detector,
    images_dir: Path,
    annotations: Path,
    model: str = "",
    class_agnostic: bool = False,
    track: Track = iter,
    predictions: Path | None = None,
    report: Path | None = None,
) -> dict[str, Any]:
    """COCO figures of a detector, opened with `settings_for_evaluation`; classes count unless it has one.

    The figures are those of `score_rows`. `track` wraps the images, for a progress bar; `predictions` is
    written as COCO results; `report` is a folder for the figures and the pictures of `write_report`.
    UserError for a missing package, and for annotations that are malformed, empty, or do not match the
    images.
    """
    require_coco_eval()
    if report:
        require_matplotlib()
    coco = read_annotations(annotations)
    check_images(images_dir, coco, annotations)
    agnostic = class_agnostic or len(detector.class_names) == 1
    rows = predict_images(detector, images_dir, coco, agnostic, track)
    if predictions:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predictions.write_text(json.dumps(rows), encoding="utf-8")
    figures = {
        "model": model,
        "images": len(coco["images"]),
        **score_rows(coco, rows, agnostic),
        "class_agnostic": agnostic,
    }
    if report:
        write_report(report, images_dir, coco, rows, figures)
    return figures


def read_annotations(path: Path) -> Coco:
    """A COCO file; UserError if it is no such thing, or holds no images or boxes."""
    try:
        coco = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"expected COCO annotations at {path}, got: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"expected COCO annotations as JSON in {path}, got: {error}") from error
    for part, keys in KEYS.items():
        entries = coco.get(part) if isinstance(coco, dict) else None
        if not isinstance(entries, list) or not entries:
            raise UserError(f"expected COCO annotations with a list of {part} in {path}, found none")
        for index, entry in enumerate(entries):
            missing = [key for key in keys if key not in entry]
            if missing:
                raise UserError(f"expected {missing[0]!r} in {part}[{index}] of {path}, got {list(entry)}")
    assert isinstance(coco, dict)
    return coco


def check_images(images_dir: Path, coco: Coco, annotations: Path) -> None:
    """UserError if the annotations name images that the folder lacks, or boxes of images they lack."""
    if not images_dir.is_dir():
        raise UserError(f"expected a folder of images at {images_dir}, found none")
    missing = [
        image["file_name"] for image in coco["images"] if not (images_dir / image["file_name"]).is_file()
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UserError(
            f"expected the images that {annotations} names in {images_dir}, missing: "
            f"{', '.join(missing[:3])}{more} of {len(coco['images'])}"
        )
    ids = {image["id"] for image in coco["images"]}
    categories = {category["id"] for category in coco["categories"]}
    for index, box in enumerate(coco["annotations"]):
        if box["image_id"] not in ids or box["category_id"] not in categories:
            raise UserError(
                f"expected known ids in annotations[{index}] of {annotations}, got image_id "
                f"{box['image_id']!r}, category_id {box['category_id']!r}"
            )


def predict_images(
    detector: Detector, images_dir: Path, coco: Coco, agnostic: bool = False, track: Track = iter
) -> list[Row]:
    """COCO result rows of all annotated images; UserError if an image or a class does not match."""
    names = {category["name"]: category["id"] for category in coco["categories"]}
    unknown = [name for name in detector.class_names if name not in names]
    if unknown and not agnostic:
        raise UserError(f"expected categories named like the model's classes, missing: {', '.join(unknown)}")
    fallback = coco["categories"][0]["id"]
    ids = [names.get(name, fallback) for name in detector.class_names]
    rows: list[Row] = []
    for image in track(coco["images"]):
        frame = _read_frame(images_dir / image["file_name"], image)
        rows += detections_to_rows(detector.detect(frame), image["id"], detector.class_names, ids)
    return rows


def detections_to_rows(
    detections: Detections, image_id: Any, class_names: Sequence[str], category_ids: Sequence[int]
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


def _read_frame(path: Path, image: Mapping[str, Any]) -> Frame:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise UserError(f"expected an image that OpenCV can read, got {path}")
    height, width = pixels.shape[:2]
    wanted = (image.get("width", width), image.get("height", height))
    if wanted != (width, height):
        raise UserError(f"expected {path} to be {wanted[0]}x{wanted[1]} as annotated, it is {width}x{height}")
    return Frame(pixels.astype(np.uint8, copy=False), 0, 0, Region(0, 0, width, height))
