"""How targets move: bearings in degrees of the world, as functions of time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

XY = tuple[float, float]
Motion = Callable[[float], XY]

STEP_DEG = 20.0  # how far from the crosshair a target is at first
SPEED_DEG_PER_S = 20.0
STAY_S, GAP_S = 0.8, 0.2  # of each that appears, and until the next


@dataclass(frozen=True, slots=True)
class Walker:
    """One target: there from one time to another; motion gives its bearing, yaw and pitch, at a time."""

    motion: Motion
    half_deg: XY = (2.0, 4.0)
    from_s: float = 0.0
    until_s: float = math.inf


def stand(at: XY) -> Motion:
    """It does not move."""
    return lambda _t: at


def walk(at: XY, speed: XY) -> Motion:
    """A constant speed, degrees a second."""
    return lambda t: (at[0] + speed[0] * t, at[1] + speed[1] * t)


def strafe(at: XY, speed: float, legs_s: Sequence[float]) -> Motion:
    """Left and right at one speed, turning at once after each of the legs."""
    ends = np.cumsum(legs_s)
    signs = np.where(np.arange(len(legs_s) + 1) % 2 == 0, 1.0, -1.0)
    places = np.concatenate([[0.0], np.cumsum(signs[:-1] * np.asarray(legs_s))]) * speed

    def motion(t: float) -> XY:
        leg = int(np.searchsorted(ends, t, side="right"))
        since = t - (ends[leg - 1] if leg else 0.0)
        return at[0] + float(places[leg] + signs[leg] * speed * since), at[1]

    return motion


def jump(at: XY, speed: float, height_deg: float, period_s: float) -> Motion:
    """Parabolas, one after the other, while it walks."""

    def motion(t: float) -> XY:
        phase = (t / period_s) % 1.0
        return at[0] + speed * t, at[1] - 4 * height_deg * phase * (1 - phase)

    return motion


def make_scene(
    name: str, rng: np.random.Generator, seconds: float, speed_deg_per_s: float = SPEED_DEG_PER_S
) -> list[Walker]:
    """The targets of an episode; the first is the one that is scored where several are there.

    speed_deg_per_s: of a target that walks, at one speed or left and right.
    """
    side, way = (float(rng.choice([-1.0, 1.0])) for _ in range(2))
    at = (side * STEP_DEG, float(rng.uniform(-4, 4)))
    match name:
        case "still":
            return [Walker(stand(at))]
        case "constant":
            return [Walker(walk(at, (way * speed_deg_per_s, float(rng.uniform(-3, 3)))))]
        case "strafing":
            legs = rng.uniform(0.5, 1.1, int(seconds / 0.5) + 2)
            return [Walker(strafe(at, way * speed_deg_per_s, legs.tolist()))]
        case "jumping":
            return [Walker(jump(at, way * 5.0, 8.0, float(rng.uniform(0.7, 0.9))))]
        case "appearing":
            starts = np.arange(0.0, seconds, STAY_S + GAP_S).tolist()
            xs, ys = rng.uniform(-STEP_DEG, STEP_DEG, len(starts)), rng.uniform(-4, 4, len(starts))
            return [
                Walker(stand((float(x), float(y))), from_s=start, until_s=start + STAY_S)
                for start, x, y in zip(starts, xs, ys, strict=True)
            ]
        case "crossing":
            near, far = (side * 8.0, at[1]), (side * 36.0, at[1] + 1.0)
            return [Walker(walk(near, (side * 12.0, 0.0))), Walker(walk(far, (-side * 12.0, 0.0)))]
    raise ValueError(f"no such target: {name}")


TARGETS = ("still", "constant", "strafing", "jumping", "appearing", "crossing")
