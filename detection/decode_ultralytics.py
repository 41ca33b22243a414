"""The outputs of Ultralytics' YOLO exports to boxes: only candidates whose score passes are touched.

The layouts, of one image with C classes: https://docs.ultralytics.com/modes/export and the shapes that
such files declare. All boxes are in pixels of the network's input.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detection.detections import Detections

Output = NDArray[np.float32]


def decode_objectness(outputs: Sequence[Output], confidence: float) -> Detections:
    """Candidates of YOLOv5's layout, before suppression, in no order.

    outputs: one, float32 (1, N, 5 + C); a row is the centre's x and y, width, height, objectness and class
    probabilities. The confidence is objectness times the best class.
    """
    rows = outputs[0][0]
    picked = rows[rows[:, 4] >= confidence]  # objectness bounds the confidence from above
    score = picked[:, 4] * picked[:, 5:].max(axis=1)
    sure = score >= confidence
    picked, score = picked[sure], score[sure]
    return Detections(centre_to_corners(picked[:, :4]), score, picked[:, 5:].argmax(axis=1).astype(np.int32))


def decode_anchor_free(outputs: Sequence[Output], confidence: float) -> Detections:
    """Candidates of the layout of YOLOv8 and 11, before suppression, in no order.

    outputs: one, float32 (1, 4 + C, N); a column is the centre's x and y, width, height and class
    probabilities. The confidence is the best class's.
    """
    columns = outputs[0][0]
    best = columns[4:].max(axis=0)
    index = np.flatnonzero(best >= confidence)
    picked = columns[:, index].T
    return Detections(
        centre_to_corners(picked[:, :4]), best[index], picked[:, 4:].argmax(axis=1).astype(np.int32)
    )


def centre_to_corners(cxcywh: Output) -> Output:
    """Centre, width and height as left, top, right, bottom; (N, 4) both."""
    half = cxcywh[:, 2:] / 2
    return np.concatenate((cxcywh[:, :2] - half, cxcywh[:, :2] + half), axis=1)
