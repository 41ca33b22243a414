"""Box geometry: pure functions over arrays that return new arrays."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
SizeWH = tuple[int, int]


def xyxy_to_xywh(xyxy: Boxes) -> Boxes:
    """Left, top, right, bottom as left, top, width, height; (N, 4) both."""
    xywh = xyxy.copy()
    xywh[:, 2:] -= xyxy[:, :2]
    return xywh


def xywh_to_xyxy(xywh: Boxes) -> Boxes:
    """Left, top, width, height as left, top, right, bottom; (N, 4) both."""
    xyxy = xywh.copy()
    xyxy[:, 2:] += xywh[:, :2]
    return xyxy


def clip_boxes(xyxy: Boxes, size_wh: SizeWH) -> Boxes:
    """Boxes (N, 4) cut at the edges of an image of `size_wh` pixels."""
    width, height = size_wh
    clipped: Boxes = np.clip(xyxy, 0.0, np.array([width, height, width, height], np.float32))
    return clipped


def compute_iou(xyxy_a: Boxes, xyxy_b: Boxes) -> Boxes:
    """Intersection over union of every pair, (N, 4) and (M, 4) to (N, M); 0 where both boxes are empty."""
    shared = compute_intersection(xyxy_a, xyxy_b)
    union = compute_area(xyxy_a)[:, None] + compute_area(xyxy_b)[None, :] - shared
    iou: Boxes = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def compute_coverage(xyxy: Boxes, regions: Boxes) -> Boxes:
    """The share of each box that lies in each region, (N, 4) and (M, 4) to (N, M); 0 for an empty box."""
    shared = compute_intersection(xyxy, regions)
    area = np.broadcast_to(compute_area(xyxy)[:, None], shared.shape)
    coverage: Boxes = np.divide(shared, area, out=np.zeros_like(shared), where=area > 0)
    return coverage


def compute_intersection(xyxy_a: Boxes, xyxy_b: Boxes) -> Boxes:
    """Area that every pair shares, (N, 4) and (M, 4) to (N, M), in square pixels."""
    top_left = np.maximum(xyxy_a[:, None, :2], xyxy_b[None, :, :2])
    bottom_right = np.minimum(xyxy_a[:, None, 2:], xyxy_b[None, :, 2:])
    sides = np.maximum(bottom_right - top_left, 0.0)
    shared: Boxes = sides[..., 0] * sides[..., 1]
    return shared


def compute_area(xyxy: Boxes) -> Boxes:
    """Area of each box, (N, 4) to (N,), in square pixels."""
    sides: Boxes = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]


def suppress_overlaps(
    xyxy: Boxes, score: NDArray[np.float32], class_id: NDArray[np.int32], iou: float, limit: int
) -> NDArray[np.intp]:
    """Indices of the boxes that greedy non-maximum suppression keeps in each class, best score first.

    A box goes if its overlap with a better box of its class is above `iou`; at most `limit` stay.
    """
    if len(xyxy) == 0:
        return np.zeros(0, np.intp)
    xywh: Any = xyxy_to_xywh(xyxy).astype(np.float64)  # the stub knows lists alone; arrays are quicker
    scores: Any = score
    classes: Any = class_id
    kept = cv2.dnn.NMSBoxesBatched(xywh, scores, classes, score_threshold=0.0, nms_threshold=iou)
    return np.asarray(kept, np.intp).reshape(-1)[:limit]


def match_boxes(xyxy_a: Boxes, xyxy_b: Boxes, iou: float) -> NDArray[np.intp]:
    """For each box of `a` the index of its partner in `b`, or -1; (N, 4) and (M, 4) to (N,).

    Greedy in the order of `a` (most confident first): each takes the free box that it overlaps most, if
    by at least `iou`. As in COCO's evaluation.
    """
    partner = np.full(len(xyxy_a), -1, np.intp)
    overlaps = compute_iou(xyxy_a, xyxy_b)
    for index in range(len(xyxy_a) if len(xyxy_b) else 0):
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= iou:
            partner[index] = best
            overlaps[:, best] = -1.0
    return partner


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image lies inside a larger canvas, scaled without changing its shape and centred.

    size_wh: the image; canvas_wh: the canvas; inner_wh and offset_xy: the image on the canvas; all pixels.
    """

    size_wh: SizeWH
    canvas_wh: SizeWH
    inner_wh: SizeWH
    offset_xy: tuple[int, int]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Canvas pixels an image pixel; the two differ only by the rounding of `inner_wh`."""
        return self.inner_wh[0] / self.size_wh[0], self.inner_wh[1] / self.size_wh[1]


def fit_letterbox(size_wh: SizeWH, canvas_wh: SizeWH) -> Letterbox:
    """The largest centred placement of an image on a canvas; both sizes are at least one pixel."""
    scale = min(canvas_wh[0] / size_wh[0], canvas_wh[1] / size_wh[1])
    inner_wh = (
        min(max(1, round(size_wh[0] * scale)), canvas_wh[0]),
        min(max(1, round(size_wh[1] * scale)), canvas_wh[1]),
    )
    offset_xy = ((canvas_wh[0] - inner_wh[0]) // 2, (canvas_wh[1] - inner_wh[1]) // 2)
    return Letterbox(size_wh, canvas_wh, inner_wh, offset_xy)


def image_to_canvas(xyxy: Boxes, letterbox: Letterbox) -> Boxes:
    """Boxes (N, 4) in pixels of the image as boxes in pixels of the canvas."""
    return xyxy * _tile(letterbox.scale_xy) + _tile(letterbox.offset_xy)


def canvas_to_image(xyxy: Boxes, letterbox: Letterbox) -> Boxes:
    """Boxes (N, 4) in pixels of the canvas as boxes in pixels of the image."""
    return (xyxy - _tile(letterbox.offset_xy)) / _tile(letterbox.scale_xy)


def _tile(pair: tuple[float, float]) -> Boxes:
    return np.array([*pair, *pair], np.float32)
