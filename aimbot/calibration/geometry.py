"""From shifted patches to angles: the pinhole camera, turned about one axis.

A turn by `angle` moves what lay at `position` to f·tan(atan(position / f) − angle), wherever it lies on the
other axis. So the growth of the shift with the distance from the centre gives f, and f the field of view.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aimbot.calibration.shifts import Floats, Picture

CLIP_PX = 3.0
FOV_RANGE_DEG = (20.0, 150.0)
RESAMPLES = 30


@dataclass(frozen=True, slots=True)
class Points:
    """Where parts of the picture went, along the turned axis.

    before_px, after_px: (N,) positions from the centre.
    counts: (N,) what was sent between the two.
    pair: (N,) the number of the pair of looks that each belongs to.
    """

    before_px: Floats
    after_px: Floats
    counts: Floats
    pair: Floats

    def of_pairs(self, pairs: Floats) -> "Points":
        """The points of these pairs, as often as they are named."""
        return self.of_rows(np.concatenate([np.flatnonzero(self.pair == pair) for pair in pairs]))

    def of_size(self, counts: float) -> "Points":
        """The points of steps of so many counts, to either side."""
        return self.of_rows(np.flatnonzero(np.abs(self.counts) == counts))

    def of_rows(self, rows: NDArray[np.intp]) -> "Points":
        """The points with these indices."""
        return Points(self.before_px[rows], self.after_px[rows], self.counts[rows], self.pair[rows])


def focal_px(fov_deg: float, width_px: float) -> float:
    """Focal length of a view that spans `fov_deg` over `width_px`."""
    return width_px / 2 / math.tan(math.radians(fov_deg) / 2)


def turn_positions(position_px: Floats, angle_deg: Floats | float, focal: float) -> Floats:
    """Where a turn by `angle_deg` moves positions along its axis."""
    return np.asarray(focal * np.tan(np.arctan(position_px / focal) - np.radians(angle_deg)))


def measure_angles(before_px: Floats, after_px: Floats, focal: float) -> Floats:
    """The turn in degrees that moved each position: the inverse of `turn_positions`."""
    return np.asarray(np.degrees(np.arctan(before_px / focal) - np.arctan(after_px / focal)))


def build_turn(
    axis: int, angle_deg: float, focal_xy: tuple[float, float], size_wh: tuple[int, int]
) -> Floats:
    """The homography (3, 3) from pixels of the view before a turn to the same directions after it.

    axis: 0 for yaw (moves along x), 1 for pitch (moves along y).
    """
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    rotation = np.eye(3)
    rotation[axis, axis] = rotation[2, 2] = cos
    rotation[axis, 2], rotation[2, axis] = -sin, sin
    camera = np.array([[focal_xy[0], 0, size_wh[0] / 2], [0, focal_xy[1], size_wh[1] / 2], [0, 0, 1]])
    return np.asarray(camera @ rotation @ np.linalg.inv(camera))


def build_slide(angle_deg: float, focal: float) -> Floats:
    """The same for engines that look up and down by sliding the picture, as Doom's software renderers."""
    slide = np.eye(3)
    slide[1, 2] = -focal * math.tan(math.radians(angle_deg))
    return slide


def align(after: Picture, homography: Floats) -> Picture:
    """The later picture as the earlier view would show it; grey where it saw nothing."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (after.shape[1], after.shape[0])
    return np.asarray(
        cv2.warpPerspective(after, homography, size, flags=flags, borderValue=float(after.mean())), np.float32
    )


def apply_homography(xy_px: Floats, homography: Floats, size_wh: tuple[int, int]) -> Floats:
    """Points (N, 2), from the picture's centre, through a homography of pixels."""
    half = np.array(size_wh) / 2
    mapped = np.column_stack([xy_px + half, np.ones(len(xy_px))]) @ homography.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:] - half)


def fit_scale(angles_deg: Floats, counts: Floats) -> float:
    """Degrees per count: the median over the points, weighted by their counts."""
    ratios, weights = angles_deg / counts, np.abs(counts)
    order = np.argsort(ratios)
    reached = np.cumsum(weights[order])
    return float(ratios[order][np.searchsorted(reached, reached[-1] / 2)])


def fit_turn_scale(points: Points, focal: float) -> float:
    """Degrees per count of points that a turn moved, under this focal length."""
    return fit_scale(measure_angles(points.before_px, points.after_px, focal), points.counts)


def fit_fov(points: Points, width_px: float, deg_per_count: float | None = None) -> float:
    """The horizontal field of view, in degrees, under which all points have turned alike.

    deg_per_count: if it is known, as after a full turn; else it is fitted too. Errors above 3 px count as
    3 px, so that sprites with a motion of their own do not pull.
    """
    low, high = FOV_RANGE_DEG
    for _ in range(4):
        grid = np.linspace(low, high, 27)
        losses = [_loss(points, focal_px(float(fov), width_px), deg_per_count) for fov in grid]
        best, step = float(grid[int(np.argmin(losses))]), float(grid[1] - grid[0])
        low, high = max(best - 1.5 * step, FOV_RANGE_DEG[0]), min(best + 1.5 * step, FOV_RANGE_DEG[1])
    return best


def estimate_error(points: Points, estimate: Callable[[Points], float]) -> float:
    """Standard error of an estimate: from drawing the pairs of looks anew, and from the step sizes.

    All repeats of a step may be wrong alike, which no drawing shows: so the error is no less than half of
    what lies between the two largest step sizes.
    """
    rng = np.random.default_rng(1)
    pairs = np.unique(points.pair)
    draws = [rng.choice(pairs, len(pairs)) for _ in range(RESAMPLES)]
    by_chance = float(np.std([estimate(points.of_pairs(draw)) for draw in draws]))
    sizes = np.unique(np.abs(points.counts))[-2:]
    return max(by_chance, float(np.ptp([estimate(points.of_size(size)) for size in sizes])) / 2)


def clipped_error_px(after_px: Floats, expected_px: Floats) -> float:
    """The mean distance from what was expected; each counts for 3 px at most."""
    return float(np.minimum(np.abs(after_px - expected_px), CLIP_PX).mean())


def _loss(points: Points, focal: float, deg_per_count: float | None) -> float:
    scale = fit_turn_scale(points, focal) if deg_per_count is None else deg_per_count
    return clipped_error_px(points.after_px, turn_positions(points.before_px, scale * points.counts, focal))
