"""Coordinate descent over a grid, in which a value has to win by more than chance."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, ...]
Scores = NDArray[np.float64]
Measure = Callable[[Sequence[Point]], Sequence[Scores]]
Track = Callable[[Sequence[Any]], Any]

INADMISSIBLE = -math.inf
SURE = 2.0  # of thirty tries at settings that do nothing, one looks better by so much


def descend(
    grid: Mapping[str, Sequence[float]],
    start: Point,
    measure: Measure,
    rounds: int,
    track: Track = iter,
) -> Point:
    """The best point that is found by changing one value after the other, over and over.

    grid: the values of each setting, in the order of a point's values. measure: for each point, a score for
    each episode (E,), larger is better, of the same episodes for every point; `INADMISSIBLE` where a point
    is none to choose. Ends early where a whole round changes nothing.
    """
    here, changed_at = start, 0
    values = list(grid.values())
    for step in track(range(rounds * len(values))):
        axis = step % len(values)
        if step - changed_at >= len(values):
            continue  # all others were tried since the last change
        others = [replace_at(here, axis, value) for value in values[axis] if value != here[axis]]
        scores = measure([here, *others])
        best = max(range(len(scores)), key=lambda index: float(np.mean(scores[index])))
        if best and is_better(scores[best], scores[0]):
            here, changed_at = others[best - 1], step
    return here


def take_back(start: Point, found: Point, measure: Measure) -> Point:
    """The found point without the changes that are worth nothing: those that can be undone unnoticed."""
    here = found
    for axis, value in enumerate(start):
        if here[axis] != value:
            without = replace_at(here, axis, value)
            before, after = measure([without, here])
            if not is_better(after, before):
                here = without
    return here


def is_better(scores: Scores, than: Scores) -> bool:
    """Whether the mean is larger by more than chance: by `SURE` standard errors of the paired differences."""
    if not np.isfinite(scores).all():
        return False
    if not np.isfinite(than).all():
        return True
    gains = scores - than
    error = float(np.std(gains, ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return float(np.mean(gains)) > SURE * error


def replace_at(point: Point, axis: int, value: float) -> Point:
    """The point with another value at one place."""
    return (*point[:axis], value, *point[axis + 1 :])
