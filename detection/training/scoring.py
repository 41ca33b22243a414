"""Figures of COCO result rows: average precision by COCO's evaluation, and precision-recall curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import missing_package
from detection.boxes import compute_coverage, match_boxes, xywh_to_xyxy
from detection.training.dataset import HEIGHT_EDGES_PX

Coco = Mapping[str, Any]
Row = dict[str, Any]
Range = tuple[float, float]

IOU = 0.5
MAX_DETECTIONS = 100  # an image and class, as in COCO
ANY_HEIGHT = (0.0, 1e6)
# Both ends belong to a range, as COCO has it: a box of 24 or 64 px is medium.
HEIGHTS_PX: dict[str, Range] = {
    "small": (0.0, float(np.nextafter(HEIGHT_EDGES_PX[0], 0))),
    "medium": HEIGHT_EDGES_PX,
    "large": (float(np.nextafter(HEIGHT_EDGES_PX[1], np.inf)), 1e6),
}
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How the result rows fare against the labels at an overlap of `IOU`.

    partner: (N,) of the rows, the index of the label that each found, or -1.
    ignored: (N,) of the rows, those that neither count nor harm.
    wanted: (M,) of the labels, those that are to be found.
    """

    partner: NDArray[np.intp]
    ignored: NDArray[np.bool_]
    wanted: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall as the confidence falls, one point a prediction, (N,) each; `boxes` to find."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    confidence: NDArray[np.float64]
    boxes: int

    def at(self, confidence: float) -> tuple[float, float]:
        """Precision and recall of the predictions of at least this confidence; zeros without any."""
        count = int(np.searchsorted(-self.confidence, -confidence, side="right"))
        return (float(self.precision[count - 1]), float(self.recall[count - 1])) if count else (0.0, 0.0)


def score_rows(coco: Coco, rows: Sequence[Row], agnostic: bool) -> dict[str, Any]:
    """mAP50, mAP50-95, and precision and recall at the best F1, of all boxes, by height and by class.

    Heights are of the labelled boxes, in pixels of the source images. One confidence, that of the best F1
    of all boxes, gives every precision and recall. Classes are compared where they count. A figure is -1
    where nothing is labelled.
    """
    precision = _compute_coco_precision(coco, rows, agnostic)
    curves = trace_curves(coco, rows, agnostic)
    confidence = find_best_f1(curves["all"])

    def describe(name: str, part: NDArray[np.float64]) -> dict[str, Any]:
        sure, found = curves[name].at(confidence)
        return {
            "map50": _mean_known(part[0]),
            "map50_95": _mean_known(part),
            "precision": sure,
            "recall": found,
            "boxes": curves[name].boxes,
        }

    by_height = {
        name: describe(name, precision[..., index]) for index, name in enumerate(HEIGHTS_PX, start=1)
    }
    figures = {**describe("all", precision[..., 0]), "confidence": confidence, "by_height": by_height}
    if not agnostic:
        names = [name for _, name in _list_categories(coco)]
        figures["by_class"] = {
            name: describe(f"class {name}", precision[:, :, index, 0]) for index, name in enumerate(names)
        }
    return figures


def trace_curves(coco: Coco, rows: Sequence[Row], agnostic: bool) -> dict[str, Curve]:
    """Curves of "all" boxes, of each of `HEIGHTS_PX`, and of each "class NAME" where classes count."""
    verdicts = judge_rows(coco, rows, agnostic)
    curves = {"all": _trace_curve(rows, verdicts)}
    for name, heights in HEIGHTS_PX.items():
        curves[name] = _trace_curve(rows, judge_rows(coco, rows, agnostic, heights))
    if not agnostic:
        of_rows = np.array([row["category_id"] for row in rows])
        of_labels = np.array([label["category_id"] for label in coco["annotations"]])
        for category, name in _list_categories(coco):
            part = Verdicts(
                verdicts.partner,
                verdicts.ignored | (of_rows != category),
                verdicts.wanted & (of_labels == category),
            )
            curves[f"class {name}"] = _trace_curve(rows, part)
    return curves


def find_best_f1(curve: Curve) -> float:
    """The confidence at which F1 peaks; 0 without predictions."""
    if len(curve.confidence) == 0:
        return 0.0
    f1 = 2 * curve.precision * curve.recall / np.maximum(curve.precision + curve.recall, 1e-9)
    return float(curve.confidence[f1.argmax()])


def average_precision(curve: Curve) -> float:
    """COCO's average precision: over 101 recalls, the mean of the best precision at each or beyond it."""
    best_beyond = np.maximum.accumulate(curve.precision[::-1])[::-1]
    reached = np.searchsorted(curve.recall, RECALLS, side="left")
    return float(np.append(best_beyond, 0.0)[reached].mean())


def judge_rows(coco: Coco, rows: Sequence[Row], agnostic: bool, heights_px: Range = ANY_HEIGHT) -> Verdicts:
    """Match predictions to labels as COCO does, the most confident first, within image and class.

    Ignored are predictions that lie by `IOU` in a region marked iscrowd, that find a label outside
    `heights_px` or are themselves outside and find none, and those beyond the first `MAX_DETECTIONS`.
    """
    labels = coco["annotations"]
    xyxy, label_xyxy = _stack_boxes(rows), _stack_boxes(labels)
    score = np.array([row["score"] for row in rows], np.float64)
    crowd = np.array([bool(label.get("iscrowd")) for label in labels], np.bool_)
    wanted = ~crowd & _has_height(labels, heights_px)
    partner, ignored = np.full(len(rows), -1, np.intp), np.zeros(len(rows), np.bool_)
    labels_of = _group_indices(labels, agnostic)
    for key, index in _group_indices(rows, agnostic).items():
        order = index[np.argsort(-score[index], kind="stable")]
        ignored[order[MAX_DETECTIONS:]] = True
        order = order[:MAX_DETECTIONS]
        near = labels_of.get(key, np.zeros(0, np.intp))
        mine = near[wanted[near]]
        match = match_boxes(xyxy[order], label_xyxy[mine], IOU)
        partner[order[match >= 0]] = mine[match[match >= 0]]
        free = order[match < 0]
        in_crowd = (compute_coverage(xyxy[free], label_xyxy[near[crowd[near]]]) >= IOU).any(axis=1)
        others = near[~wanted[near] & ~crowd[near]]
        finds_other = match_boxes(xyxy[free], label_xyxy[others], IOU) >= 0
        ignored[free] = in_crowd | finds_other
    ignored |= (partner < 0) & ~_has_height(rows, heights_px)
    return Verdicts(partner, ignored, wanted)


def require_coco_eval() -> Any:
    """The package that computes average precision; UserError if it is not installed."""
    try:
        import faster_coco_eval
    except ImportError as error:
        raise missing_package("evaluating", error.name, "evaluate") from error
    return faster_coco_eval


def _trace_curve(rows: Sequence[Row], verdicts: Verdicts) -> Curve:
    counted = ~verdicts.ignored
    confidence = np.array([row["score"] for row in rows], np.float64)[counted]
    order = np.argsort(-confidence, kind="stable")
    true = np.cumsum(verdicts.partner[counted][order] >= 0)
    boxes = int(verdicts.wanted.sum())
    precision = true / np.arange(1, len(true) + 1)
    return Curve(precision, true / max(boxes, 1), confidence[order], boxes)


def _compute_coco_precision(coco: Coco, rows: Sequence[Row], agnostic: bool) -> NDArray[np.float64]:
    """COCO's precision, (IoU, recall, class, height), all heights first; -1 where nothing is labelled."""
    package = require_coco_eval()
    # The package wants numbers for ids, which ours need not be.
    images = {image["id"]: number for number, image in enumerate(coco["images"], start=1)}
    categories = {category: number for number, (category, _) in enumerate(_list_categories(coco), start=1)}

    def number(box: Mapping[str, Any]) -> Row:
        ids = {"image_id": images[box["image_id"]], "category_id": categories[box["category_id"]]}
        return {"iscrowd": 0, **box, **ids}

    boxes = [{**number(box), "id": index} for index, box in enumerate(coco["annotations"], start=1)]
    truth = package.COCO(
        {
            "images": [{"id": image} for image in images.values()],
            "annotations": boxes,
            "categories": [{"id": category} for category in categories.values()],
        }
    )
    found = truth.loadRes([number(row) for row in rows])
    for box in (*boxes, *found.dataset["annotations"]):
        box["area"] = float(box["bbox"][3])  # COCO's ranges are of areas; ours are of heights
    job = package.COCOeval_faster(truth, found, iouType="bbox", print_function=lambda *_: None)
    job.params.useCats = int(not agnostic)
    job.params.maxDets = [MAX_DETECTIONS]
    job.params.areaRng = [list(ANY_HEIGHT), *map(list, HEIGHTS_PX.values())]
    job.params.areaRngLbl = ["all", *HEIGHTS_PX]
    job.evaluate()
    job.accumulate()
    precision: NDArray[np.float64] = np.asarray(job.eval["precision"])[..., -1]
    return precision


def _list_categories(coco: Coco) -> list[tuple[Any, str]]:
    """(id, name) of the classes, in the order in which `_compute_coco_precision` has them."""
    return [(category["id"], category["name"]) for category in coco["categories"]]


def _mean_known(precision: NDArray[np.float64]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else -1.0


def _stack_boxes(boxes: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
    return xywh_to_xyxy(np.array([box["bbox"] for box in boxes], np.float32).reshape(-1, 4))


def _has_height(boxes: Sequence[Mapping[str, Any]], heights_px: Range) -> NDArray[np.bool_]:
    height = np.array([box["bbox"][3] for box in boxes], np.float64)
    return (height >= heights_px[0]) & (height <= heights_px[1])


def _group_indices(
    boxes: Sequence[Mapping[str, Any]], agnostic: bool
) -> dict[tuple[Any, Any], NDArray[np.intp]]:
    """Indices of the boxes of each image and class; of each image alone where classes do not count."""
    grouped: dict[tuple[Any, Any], list[int]] = {}
    for index, box in enumerate(boxes):
        grouped.setdefault((box["image_id"], None if agnostic else box["category_id"]), []).append(index)
    return {key: np.array(group, np.intp) for key, group in grouped.items()}
