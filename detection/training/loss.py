"""The YOLOv4 loss: CIoU on the boxes, cross-entropy on objectness and classes. Pure keras.ops."""

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

from detection.darknet import YoloHead

MATCH_IOU = 0.3
IGNORE_IOU = 0.7
IGNORED_SHARE = 0.5
"""A prediction lies in a region to ignore if this share of its area does, or its centre."""
BOX_WEIGHT, OBJECT_WEIGHT, CLASS_WEIGHT = 5.0, 1.0, 0.5


def yolo_loss(heads: Sequence[Any], layers: Sequence[YoloHead], boxes: Any) -> Any:
    """Mean loss over the positives of a batch, a scalar.

    heads: raw outputs (B, h, w, A·(5+C)). boxes: float32 (B, M, 5), pixels of the network's input and the
    class id; rows without an area are unused. An anchor is positive for a box if their sizes overlap by
    more than MATCH_IOU, or if it is the best of all heads (multi-anchor assignment, YOLOv4 §3.4); a cell
    whose prediction already overlaps a box by IGNORE_IOU is not taught that it is empty. Boxes of class -1
    are regions to ignore: none is positive, and what lies inside is not taught that it is empty either.
    """
    sizes = boxes[..., 2:4] - boxes[..., 0:2]
    used = ops.min(sizes, axis=-1) > 0  # (B, M)
    real, ignored = used & (boxes[..., 4] >= 0), used & (boxes[..., 4] < 0)
    anchors = ops.convert_to_tensor([wh for layer in layers for wh in layer.anchors_wh_px], dtype="float32")
    shape_iou = _size_iou(sizes, anchors)  # (B, M, all anchors)
    best = shape_iou >= ops.max(shape_iou, axis=-1, keepdims=True)
    positive = ((shape_iou > MATCH_IOU) | best) & real[..., None]
    box_sum = object_sum = class_sum = count = 0.0
    first = 0
    for raw, layer in zip(heads, layers, strict=True):
        own = positive[..., first : first + len(layer.anchors_wh_px)]
        first += len(layer.anchors_wh_px)
        parts = _head_loss(ops.cast(raw, "float32"), layer, boxes, own, real, ignored)
        box_sum, object_sum = box_sum + parts[0], object_sum + parts[1]
        class_sum, count = class_sum + parts[2], count + parts[3]
    total = BOX_WEIGHT * box_sum + OBJECT_WEIGHT * object_sum + CLASS_WEIGHT * class_sum
    return total / ops.maximum(count, 1.0)


def decode_boxes(raw: Any, layer: YoloHead) -> Any:
    """(B, h, w, A, 5+C) raw values to boxes (B, h, w, A, 4), left, top, right, bottom in input pixels."""
    height, width = raw.shape[1:3]
    columns = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width, 1))
    rows = ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1, 1))
    anchors = ops.convert_to_tensor(layer.anchors_wh_px, dtype="float32")
    margin = (layer.scale_x_y - 1) / 2
    x = (ops.sigmoid(raw[..., 0]) * layer.scale_x_y - margin + columns) * layer.stride
    y = (ops.sigmoid(raw[..., 1]) * layer.scale_x_y - margin + rows) * layer.stride
    w = ops.exp(ops.clip(raw[..., 2], -6, 6)) * anchors[:, 0] / 2
    h = ops.exp(ops.clip(raw[..., 3], -6, 6)) * anchors[:, 1] / 2
    return ops.stack([x - w, y - h, x + w, y + h], axis=-1)


def complete_iou(a: Any, b: Any) -> Any:
    """CIoU of paired boxes (…, 4): IoU less centre distance and aspect difference (Zheng et al., 2020)."""
    overlap, union = _overlap(a, b)
    iou = overlap / (union + 1e-7)
    hull = ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])
    diagonal = ops.sum(ops.square(hull), axis=-1) + 1e-7
    distance = ops.sum(ops.square(a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]), axis=-1) / 4
    angle_a, angle_b = (ops.arctan2(v[..., 2] - v[..., 0], v[..., 3] - v[..., 1] + 1e-7) for v in (a, b))
    aspect = (4 / math.pi**2) * ops.square(angle_a - angle_b)
    weight = ops.stop_gradient(aspect / (1 - iou + aspect + 1e-7))
    return iou - distance / diagonal - weight * aspect


def _head_loss(
    raw: Any, layer: YoloHead, boxes: Any, positive: Any, real: Any, ignored: Any
) -> tuple[Any, Any, Any, Any]:
    """Sums over one head: box, objectness and class loss, and the number of positives."""
    batch, height, width = raw.shape[:3]
    anchors = len(layer.anchors_wh_px)
    most = boxes.shape[1]
    raw = ops.reshape(raw, (batch, height, width, anchors, -1))
    predicted = decode_boxes(raw, layer)
    centre = (boxes[..., 0:2] + boxes[..., 2:4]) / 2 / layer.stride
    column = ops.cast(ops.clip(ops.floor(centre[..., 0]), 0, width - 1), "int32")
    row = ops.cast(ops.clip(ops.floor(centre[..., 1]), 0, height - 1), "int32")
    cell = (row * width + column)[..., None] * anchors + ops.arange(anchors, dtype="int32")  # (B, M, A)
    flat = ops.reshape(cell, (batch, most * anchors))
    mask = ops.cast(ops.reshape(positive, (batch, most * anchors)), "float32")

    at_boxes = ops.take_along_axis(ops.reshape(predicted, (batch, -1, 4)), flat[..., None], axis=1)
    wanted = ops.reshape(ops.repeat(boxes[:, :, None], anchors, axis=2), (batch, -1, 5))
    box_loss = ops.sum((1 - complete_iou(at_boxes, wanted[..., :4])) * mask)

    at_raw = ops.take_along_axis(ops.reshape(raw, (batch, -1, raw.shape[-1])), flat[..., None], axis=1)
    truth = ops.one_hot(ops.cast(wanted[..., 4], "int32"), layer.classes)
    class_loss = ops.sum(_cross_entropy(at_raw[..., 5:], truth) * mask[..., None])

    cells = height * width * anchors
    offset = ops.arange(batch, dtype="int32")[:, None] * cells
    hits = ops.scatter(ops.reshape(flat + offset, (-1, 1)), ops.reshape(mask, (-1,)), shape=(batch * cells,))
    object_truth = ops.reshape(ops.cast(hits > 0, "float32"), (batch, cells))
    candidates = ops.reshape(ops.stop_gradient(predicted), (batch, cells, 1, 4))
    overlap, union = _overlap(candidates, boxes[:, None, :, :4])
    nearest = ops.max(ops.where(real[:, None], overlap / (union + 1e-7), 0.0), axis=-1)
    inside = _contains_centre(boxes[:, None, :, :4], candidates)
    inside |= overlap / (_area(candidates) + 1e-7) > IGNORED_SHARE
    excused = ops.any(ignored[:, None] & inside, axis=-1)
    counted = ops.cast((object_truth > 0) | ((nearest < IGNORE_IOU) & ~excused), "float32")
    objectness = ops.reshape(raw[..., 4], (batch, cells))
    object_loss = ops.sum(_cross_entropy(objectness, object_truth) * counted)
    return box_loss, object_loss, class_loss, ops.sum(mask)


def _overlap(a: Any, b: Any) -> tuple[Any, Any]:
    """Intersection and union of broadcast boxes (…, 4)."""
    sides = ops.maximum(ops.minimum(a[..., 2:4], b[..., 2:4]) - ops.maximum(a[..., :2], b[..., :2]), 0.0)
    overlap = sides[..., 0] * sides[..., 1]
    return overlap, _area(a) + _area(b) - overlap


def _area(boxes: Any) -> Any:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _contains_centre(regions: Any, boxes: Any) -> Any:
    """Whether the centre of `boxes` lies in `regions`; broadcast (…, 4)."""
    centre = (boxes[..., :2] + boxes[..., 2:4]) / 2
    return ops.all((centre > regions[..., :2]) & (centre < regions[..., 2:4]), axis=-1)


def _size_iou(sizes: Any, anchors: Any) -> Any:
    """IoU of boxes with a common centre: (B, M, 2) against (K, 2) gives (B, M, K)."""
    overlap = ops.prod(ops.minimum(sizes[..., None, :], anchors), axis=-1)
    return overlap / (ops.prod(sizes, axis=-1)[..., None] + ops.prod(anchors, axis=-1) - overlap + 1e-7)


def _cross_entropy(logits: Any, truth: Any) -> Any:
    """Binary cross-entropy from logits, elementwise and stable."""
    return ops.maximum(logits, 0.0) - logits * truth + ops.log1p(ops.exp(-ops.abs(logits)))
