"""The outputs of our own graphs to boxes: rows that the graph decoded, or raw YOLO heads.

Of raw heads only cells whose objectness passes are touched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detection.darknet import YoloHead
from detection.detections import Detections, no_detections

Head = NDArray[np.float32]
MAX_LOG_SIZE = 10.0  # exp of it is 22,000 anchors: beyond any image, and far from overflow


def decode_heads(heads: Sequence[Head], layouts: Sequence[YoloHead], confidence: float) -> Detections:
    """Candidates of all heads, in pixels of the network's input, before suppression, in no order.

    heads: float32 (1, h, w, A * (5 + C)), raw, one for each of `layouts`; per anchor x, y, w, h,
    objectness, classes. A candidate's class is its best one, its confidence objectness times class
    probability, and at least `confidence`.
    """
    found = [decode_head(head, layout, confidence) for head, layout in zip(heads, layouts, strict=True)]
    found = [detections for detections in found if len(detections)]
    if len(found) < 2:
        return found[0] if found else no_detections()
    return Detections(
        np.concatenate([detections.xyxy_px for detections in found]),
        np.concatenate([detections.confidence for detections in found]),
        np.concatenate([detections.class_id for detections in found]),
    )


def decode_head(head: Head, layout: YoloHead, confidence: float) -> Detections:
    """Candidates of one head; see decode_heads.

    Formulas: Darknet's yolo_layer.c, get_yolo_box. b_xy = (s * sigmoid(t_xy) - (s - 1) / 2 + cell) *
    stride with s = scale_x_y; b_wh = anchor * exp(t_wh). With new_coords the convolution has squashed
    all values already and b_wh = anchor * (2 * t_wh) ** 2.
    """
    columns, anchors = head.shape[2], len(layout.anchors_wh_px)
    rows = head.reshape(-1, 5 + layout.classes)
    # Objectness bounds the confidence from above, and the logit is monotonic.
    floor = confidence if layout.new_coords else _logit(confidence)
    index = np.flatnonzero(rows[:, 4] >= floor)
    if len(index) == 0:
        return no_detections()
    picked = rows[index] if layout.new_coords else _sigmoid_except_size(rows[index])
    class_id = picked[:, 5:].argmax(axis=1).astype(np.int32)
    score = picked[:, 4] * picked[:, 5:].max(axis=1)
    sure = score >= confidence
    picked, index, class_id, score = picked[sure], index[sure], class_id[sure], score[sure]

    cell, anchor = np.divmod(index, anchors)
    cell_xy = np.stack((cell % columns, cell // columns), axis=1).astype(np.float32)
    scale = np.float32(layout.scale_x_y)
    centre = (picked[:, :2] * scale - (scale - 1) / 2 + cell_xy) * np.float32(layout.stride)
    growth = (2 * picked[:, 2:4]) ** 2 if layout.new_coords else np.exp(picked[:, 2:4])
    half = np.asarray(layout.anchors_wh_px, np.float32)[anchor] * growth / 2
    return Detections(np.concatenate((centre - half, centre + half), axis=1), score, class_id)


def decode_rows(outputs: Sequence[Head], confidence: float) -> Detections:
    """Boxes of a graph that decodes them itself; best first.

    outputs: one, float32 (1, N, 6); a row is left, top, right, bottom, score and class. Rows of score 0
    fill it up. The graph may have suppressed overlaps, or be of a kind that needs no suppression.
    """
    rows = outputs[0][0]
    picked = rows[(rows[:, 4] >= confidence) & (rows[:, 4] > 0)]
    picked = picked[np.argsort(-picked[:, 4], kind="stable")]
    return Detections(picked[:, :4], picked[:, 4], picked[:, 5].astype(np.int32))


def _sigmoid_except_size(rows: Head) -> Head:
    """Sigmoid of every column but 2 and 3, which are logarithms of sizes; (N, 5 + C) both."""
    out: Head = np.reciprocal(1 + np.exp(-np.clip(rows, -80, 80)), dtype=np.float32)
    out[:, 2:4] = np.clip(rows[:, 2:4], -80, MAX_LOG_SIZE)
    return out


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(clipped / (1 - clipped)))
