"""Detections as observations in the world frame: what the tracker and the selector work on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimbot.observation import Observation, Observations, gather_observations
from aimbot.target import XY
from aimbot.tracker import TrackerSettings
from aimbot.view import View
from detection.detections import Detections

LEAST_SIGMA_COUNTS = 0.3  # a bearing in whole counts is never known better: 1 / sqrt(12)


def observe_boxes(
    detections: Detections,
    aim_points: Sequence[XY],
    tracker: TrackerSettings,
    view: View,
    shown: XY,
    view_sigma: XY = (0.0, 0.0),
) -> Observations:
    """Each detection in the world frame, in their order.

    aim_points: where in the box to aim, from its left and top, 0 to 1, by class id. shown: total counts that
    the frame shows, known to within a deviation of `view_sigma`.
    """
    if not len(detections):
        return gather_observations([])
    boxes = detections.xyxy_px.astype(np.float64)
    left_top, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    aim_px = left_top + np.array(aim_points)[detections.class_id] * size
    aim, near, far = view.offsets_counts(np.stack([aim_px, left_top, boxes[:, 2:]]))
    half = (far - near) / 2
    sigma = _find_sigma(size, half, tracker, view_sigma)
    gate = half[:, 0] + view.deg_to_yaw_counts(tracker.gate_deg) + 2 * view_sigma[0]
    columns: list[list[Any]] = [
        detections.class_id.tolist(),
        detections.confidence.tolist(),
        *([tuple(row) for row in rows.tolist()] for rows in (boxes, aim_px, aim + shown)),
        *([tuple(row) for row in rows.tolist()] for rows in ((near + far) / 2 + shown, half)),
        gate.tolist(),
        [tuple(row) for row in sigma.tolist()],
        (size[:, 0] * size[:, 1]).tolist(),
    ]
    rows = np.empty(len(detections), np.object_)
    rows[:] = [Observation(*row) for row in zip(*columns, strict=True)]
    return Observations(detections.class_id.astype(np.int64), gate, aim + shown, half, sigma, rows)


def _find_sigma(
    size_px: NDArray[np.float64], half_counts: NDArray[np.float64], tracker: TrackerSettings, view_sigma: XY
) -> NDArray[np.float64]:
    """Deviation of each bearing, (N, 2): the box's, and the view's."""
    share = np.array([tracker.noise_share_x, tracker.noise_share_y])
    counts_per_px = 2 * half_counts / np.maximum(size_px, 1)
    box = (tracker.noise_px + share * size_px) * counts_per_px
    return np.maximum(np.hypot(box, view_sigma), LEAST_SIGMA_COUNTS)
