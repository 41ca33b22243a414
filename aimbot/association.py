"""Which observation belongs to which track: by bearing and overlap, in the world frame."""

from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

from aimbot.columns import Columns
from aimbot.kalman import Floats, split_axes
from aimbot.observation import Observations

MOST_COST = 2.0  # at the edge of the gate without overlap
FORBIDDEN = 1e6
LEAST_HALF = 1e-6


@dataclass(frozen=True, slots=True)
class Looks(Columns):
    """Of each track what association asks for; the floats are (N, 2)."""

    class_id: NDArray[np.int64]
    seen_ns: NDArray[np.int64]
    half_size_counts: Floats
    speed_counts_per_s: Floats


def match_rows(at: Floats, looks: Looks, seen: Observations) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of tracks and of their observations, so that the sum of the costs is the least.

    at: (tracks, 2), where they are now. Optimal, after Jonker and Volgenant.
    """
    costs = cost_matches(at, looks, seen)
    assigned = lap.lapjv(costs, extend_cost=True, cost_limit=MOST_COST, return_cost=False)[0]
    matched = (assigned >= 0).nonzero()[0]
    return matched, assigned.take(matched)


def cost_matches(at: Floats, looks: Looks, seen: Observations) -> Floats:
    """(tracks, observations): the distance as a share of the gate, and 1 − IoU of the boxes in the world.

    at: (tracks, 2), where they are now. A pair of two classes, or beyond the gate, is forbidden.
    """
    # Each box lies about its aim point alike, so the boxes' shift is that of the bearings.
    shift = np.abs(split_axes(at)[:, :, None] - split_axes(seen.bearing_counts)[:, None])  # (2, tracks, …)
    # Without vertical look all heights are 0; the overlap is then that of the widths.
    old = split_axes(looks.half_size_counts)[:, :, None] + LEAST_HALF
    new = split_axes(seen.half_size_counts)[:, None] + LEAST_HALF
    overlap = measure_overlap(old, new, shift)
    shared, both = overlap[0] * overlap[1], 4 * (old[0] * old[1] + new[0] * new[1])
    distance = np.hypot(shift[0], shift[1])
    costs: Floats = distance / seen.gate_counts + 1 - shared / (both - shared)
    costs[(distance > seen.gate_counts) | (looks.class_id[:, None] != seen.class_id)] = FORBIDDEN
    return costs


def measure_overlap(half: Floats, other_half: Floats, shift: Floats) -> Floats:
    """How much of two intervals is shared, from half their lengths and the shift of their middles."""
    both: Floats = np.minimum(half + other_half - shift, 2 * np.minimum(half, other_half))
    return np.maximum(both, 0.0)
