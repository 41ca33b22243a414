"""Detections as observations in the world frame: what the tracker and the selector work on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimbot.kalman import Floats
from aimbot.observation import Observation, Observations, as_column
from aimbot.target import XY
from aimbot.tracker import TrackerSettings
from aimbot.view import View
from detection.detections import Detections

LEAST_SIGMA_COUNTS = 0.3  # a bearing in whole counts is never known better: 1 / sqrt(12)


@dataclass(frozen=True, slots=True)
class Offsets:
    """Detections as angles from the crosshair, in counts: what the picture alone says.

    class_id, confidence, gate: (N,). box_xyxy_px: (N, 4). aim_px, aim, centre, half_size, sigma: (N, 2).
    """

    class_id: NDArray[np.int64]
    confidence: NDArray[np.float32]
    box_xyxy_px: Floats
    aim_px: Floats
    aim: Floats
    centre: Floats
    half_size: Floats
    gate: Floats
    sigma: Floats

    def __len__(self) -> int:
        return len(self.class_id)

    def place(self, shown: XY, view_sigma: XY = (0.0, 0.0)) -> Observations:
        """In the world frame, of a picture that shows these total counts, to within a deviation."""
        total = np.array(shown)
        bearing, centre = self.aim + total, self.centre + total
        sigma = np.maximum(np.hypot(self.sigma, np.array(view_sigma)), LEAST_SIGMA_COUNTS)
        gate = self.gate + 2 * view_sigma[0]
        size_px = self.box_xyxy_px[:, 2:] - self.box_xyxy_px[:, :2]
        columns: list[list[Any]] = [
            self.class_id.tolist(),
            self.confidence.tolist(),
            *(list_tuples(rows) for rows in (self.box_xyxy_px, self.aim_px, bearing, centre, self.half_size)),
            gate.tolist(),
            list_tuples(sigma),
            (size_px[:, 0] * size_px[:, 1]).tolist(),
        ]
        rows = as_column([Observation(*row) for row in zip(*columns, strict=True)])
        return Observations(self.class_id, gate, bearing, self.half_size, sigma, rows)


def measure_offsets(
    detections: Detections, aim_points: Floats, tracker: TrackerSettings, view: View
) -> Offsets:
    """Each detection as an angle from the crosshair, in their order.

    aim_points: (classes, 2), where in the box to aim, from its left and top, 0 to 1, by class id.
    """
    boxes = detections.xyxy_px.astype(np.float64)
    left_top, right_bottom = boxes[:, :2], boxes[:, 2:]
    size = right_bottom - left_top
    aim_px = left_top + aim_points.take(detections.class_id, axis=0) * size
    points = np.concatenate([aim_px, left_top, right_bottom]).reshape(3, -1, 2)
    aim, near, far = view.offsets_counts(points)
    whole = far - near
    half = whole / 2
    share = np.array([tracker.noise_share_x, tracker.noise_share_y])
    counts_per_px = whole / np.maximum(size, 1)
    return Offsets(
        detections.class_id.astype(np.int64),
        detections.confidence,
        boxes,
        aim_px,
        aim,
        (near + far) / 2,
        half,
        half[:, 0] + view.deg_to_yaw_counts(tracker.gate_deg),
        (tracker.noise_px + share * size) * counts_per_px,
    )


def list_tuples(rows: Floats) -> list[tuple[float, ...]]:
    """The rows of an array."""
    return [tuple(row) for row in rows.tolist()]
