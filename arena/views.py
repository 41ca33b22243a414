"""Where to stand to see a monster: rays against a map's walls."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Segments = NDArray[np.float64]
"""(N, 4): x1, y1, x2, y2 in map units."""

NEAREST_UNITS, FURTHEST_UNITS, WALL_GAP_UNITS = 56.0, 1400.0, 40.0


def read_walls(state: Any) -> Segments:
    """The blocking lines of a game state that has sectors enabled."""
    lines = [
        (line.x1, line.y1, line.x2, line.y2)
        for sector in state.sectors
        for line in sector.lines
        if line.is_blocking
    ]
    return np.array(lines, np.float64).reshape(-1, 4)


def cast_ray(walls: Segments, origin: tuple[float, float], angle_rad: float) -> float:
    """Distance from `origin` to the first wall in a direction, in map units; infinite if there is none."""
    direction = np.array([np.cos(angle_rad), np.sin(angle_rad)])
    start, edge = walls[:, :2] - np.array(origin), walls[:, 2:] - walls[:, :2]
    cross = direction[0] * edge[:, 1] - direction[1] * edge[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (start[:, 0] * edge[:, 1] - start[:, 1] * edge[:, 0]) / cross
        share = (start[:, 0] * direction[1] - start[:, 1] * direction[0]) / cross
    hit = (np.abs(cross) > 1e-9) & (along > 0) & (share >= 0) & (share <= 1)
    return float(along[hit].min()) if hit.any() else float("inf")


def choose_viewpoint(
    walls: Segments, monster_xy: tuple[float, float], rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """x, y and the view angle in degrees from which the monster is in line of sight; None if too cramped.

    The distance is log-uniform, so that near and far views are equally common.
    """
    angle = rng.uniform(0, 2 * np.pi)
    furthest = min(cast_ray(walls, monster_xy, angle) - WALL_GAP_UNITS, FURTHEST_UNITS)
    if furthest <= NEAREST_UNITS:
        return None
    distance = float(np.exp(rng.uniform(np.log(NEAREST_UNITS), np.log(furthest))))
    x, y = monster_xy[0] + distance * np.cos(angle), monster_xy[1] + distance * np.sin(angle)
    return float(x), float(y), float(np.degrees(angle) + 180) % 360
