"""Detections in the world frame: what the tracker works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimbot.columns import Columns
from aimbot.kalman import Floats
from aimbot.target import XY, Box


@dataclass(frozen=True, slots=True)
class Observation:
    """One detection in the world frame; `gate_counts` is how far its track may be.

    sigma_counts: the deviation of the bearing: the detector's, and that of the view at the time.
    """

    class_id: int
    confidence: float
    box_xyxy_px: Box
    aim_xy_px: XY
    bearing_counts: XY
    centre_counts: XY
    half_size_counts: XY
    gate_counts: float
    sigma_counts: XY
    area_px2: float


@dataclass(frozen=True, slots=True)
class Observations(Columns):
    """Those of one frame, one by one in `rows`, and as arrays where all are computed with at once.

    class_id, gate_counts: (N,). bearing_counts, half_size_counts, sigma_counts: (N, 2).
    """

    class_id: NDArray[np.int64]
    gate_counts: Floats
    bearing_counts: Floats
    half_size_counts: Floats
    sigma_counts: Floats
    rows: NDArray[np.object_]


def gather_observations(rows: Sequence[Observation]) -> Observations:
    """From single ones."""

    def stack(name: str, shape: tuple[int, ...], kind: Any = np.float64) -> NDArray[Any]:
        return np.array([getattr(row, name) for row in rows], kind).reshape(shape)

    return Observations(
        stack("class_id", (-1,), np.int64),
        stack("gate_counts", (-1,)),
        stack("bearing_counts", (-1, 2)),
        stack("half_size_counts", (-1, 2)),
        stack("sigma_counts", (-1, 2)),
        as_column(rows),
    )


def as_column(rows: Sequence[Observation]) -> NDArray[np.object_]:
    """Single ones as an array, (N,)."""
    column = np.empty(len(rows), np.object_)
    column[:] = rows
    return column


NONE_SEEN = gather_observations([])
"""Those of a frame without any."""
