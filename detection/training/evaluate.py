"""COCO evaluation of a detector on labelled images."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from capture.frame import Frame, Region
from detection.boxes import compute_iou, match_boxes, xywh_to_xyxy
from detection.detections import Detections
from detection.detector import Detector, DetectorSettings

Coco = Mapping[str, Any]
Row = dict[str, Any]
Track = Callable[[Sequence[Any]], Iterable[Any]]

LOW_CONFIDENCE = 0.01
HEIGHTS_PX = {"small": (0.0, 23.999), "medium": (24.0, 64.0), "large": (64.001, 1e6)}
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
) -> dict[str, Any]:
    """COCO figures of a detector, opened with `settings_for_evaluation`; classes count unless it has one.

    Heights are of the labelled boxes, in pixels of the source images; precision and recall are at the
    confidence of the best F1, at an overlap of 0.5. `track` wraps the images, for a progress bar;
    `predictions` is written as COCO results. UserError for annotations that are malformed, empty, or do
    not match the images.
    """
    coco = read_annotations(annotations)
    check_images(images_dir, coco, annotations)
    agnostic = class_agnostic or len(detector.class_names) == 1
    rows = predict_images(detector, images_dir, coco, agnostic, track)
    if predictions:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predictions.write_text(json.dumps(rows), encoding="utf-8")
    return {
        "model": model,
        "images": len(coco["images"]),
        **score_rows(coco, rows, agnostic),
        "class_agnostic": agnostic,
    }


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


def score_rows(coco: Coco, rows: Sequence[Row], agnostic: bool) -> dict[str, Any]:
    """mAP50, mAP50-95, mAP50 by height, and precision and recall at the best F1, of COCO result rows."""
    precision = _coco_precision(coco, rows, agnostic)
    sure, found, confidence = find_best_f1(coco, rows, agnostic)
    return {
        "map50": _mean_known(precision[0, :, :, 0]),
        "map50_95": _mean_known(precision[:, :, :, 0]),
        "precision": sure,
        "recall": found,
        "confidence": confidence,
        "by_height": {
            name: {"map50": _mean_known(precision[0, :, :, index])}
            for index, name in enumerate(HEIGHTS_PX, start=1)
        },
    }


def find_best_f1(
    coco: Coco, rows: Sequence[Row], agnostic: bool, iou: float = 0.5
) -> tuple[float, float, float]:
    """Precision, recall and confidence where F1 peaks; boxes marked iscrowd neither count nor harm."""
    scores: list[NDArray[np.float32]] = []
    hits: list[NDArray[np.bool_]] = []
    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    labels = _group_boxes([box for box in coco["annotations"] if not box.get("iscrowd")], agnostic)
    crowds = _group_boxes([box for box in coco["annotations"] if box.get("iscrowd")], agnostic)
    for key, (xyxy, score) in _group_boxes(rows, agnostic).items():
        order = np.argsort(-score, kind="stable")
        xyxy, score = xyxy[order], score[order]
        hit = match_boxes(xyxy, labels.get(key, nothing)[0], iou) >= 0
        ignored = ~hit & (compute_iou(xyxy, crowds.get(key, nothing)[0]) >= iou).any(axis=1)
        scores.append(score[~ignored])
        hits.append(hit[~ignored])
    total = sum(len(xyxy) for xyxy, _ in labels.values())
    if not scores or total == 0:
        return 0.0, 0.0, 0.0
    score, hit = np.concatenate(scores), np.concatenate(hits)
    order = np.argsort(-score, kind="stable")
    true = np.cumsum(hit[order])
    precision, recall = true / np.arange(1, len(true) + 1), true / total
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax())
    return float(precision[best]), float(recall[best]), float(score[order][best])


def _coco_precision(coco: Coco, rows: Sequence[Row], agnostic: bool) -> NDArray[np.float64]:
    """COCO's precision, (IoU, recall, class, height), all heights first; -1 where nothing is labelled."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise UserError(
            f"evaluating needs the package {error.name}: pip install 'local-aim-assistant[evaluate]'"
        ) from error
    boxes = [
        {"iscrowd": 0, **box, "id": index, "area": float(box["bbox"][3])}
        for index, box in enumerate(coco["annotations"], start=1)
    ]
    truth = COCO({**coco, "annotations": boxes})
    found = truth.loadRes([dict(row) for row in rows])
    for row in found.dataset["annotations"]:
        row["area"] = row["bbox"][3]  # COCO's ranges are of areas; ours are of heights
    job = COCOeval_faster(truth, found, iouType="bbox", print_function=lambda *_: None)
    job.params.useCats = int(not agnostic)
    job.params.maxDets = [1, 10, 100]
    job.params.areaRng = [[0.0, 1e6], *map(list, HEIGHTS_PX.values())]
    job.params.areaRngLbl = ["all", *HEIGHTS_PX]
    job.evaluate()
    job.accumulate()
    precision: NDArray[np.float64] = np.asarray(job.eval["precision"])[..., -1]
    return precision


def _mean_known(precision: NDArray[np.float64]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else -1.0


def _group_boxes(
    boxes: Sequence[Mapping[str, Any]], agnostic: bool
) -> dict[tuple[Any, Any], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Boxes as (xyxy, score) for each (image, class)."""
    grouped: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
    for box in boxes:
        grouped.setdefault((box["image_id"], None if agnostic else box["category_id"]), []).append(box)
    return {
        key: (
            xywh_to_xyxy(np.array([box["bbox"] for box in group], np.float32)),
            np.array([box.get("score", 1.0) for box in group], np.float32),
        )
        for key, group in grouped.items()
    }


def _read_frame(path: Path, image: Mapping[str, Any]) -> Frame:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise UserError(f"expected an image that OpenCV can read, got {path}")
    height, width = pixels.shape[:2]
    wanted = (image.get("width", width), image.get("height", height))
    if wanted != (width, height):
        raise UserError(f"expected {path} to be {wanted[0]}x{wanted[1]} as annotated, it is {width}x{height}")
    return Frame(pixels.astype(np.uint8, copy=False), 0, 0, Region(0, 0, width, height))
