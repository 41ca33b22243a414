"""One calibration: yaw by steps and by a full turn, field of view, pitch, latency."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from aimbot.calibration.geometry import (
    Points,
    estimate_error,
    fit_fov,
    fit_turn_scale,
    focal_px,
    measure_angles,
)
from aimbot.calibration.pitch import Pitch, pitch_angles, sweep_pitch
from aimbot.calibration.probe import Probe
from aimbot.calibration.shifts import Floats, find_moved
from aimbot.calibration.sweep import Axis, Lens, Pair, step_pair, sweep_yaw, track_all, turn_fully
from capture.errors import UserError

LATENCY_TRIALS = 120
PAUSE_RANGE_S = 0.057
"""Pauses before a motion are drawn from twice one of Doom's tics, so that they fall into all its phases."""
REACTION_SHARE = 0.5
"""A change is the view's if it reaches this share of the pixels that the same motion has changed before."""
RESAMPLES = 200
MIN_ANSWERS = 0.5
LINEAR_WITHIN = 0.02


@dataclass(frozen=True, slots=True)
class Value:
    """A measured figure and its standard error, in the same unit."""

    value: float
    error: float

    def as_json(self) -> dict[str, float]:
        """For `--json`."""
        return {"value": self.value, "error": self.error}


@dataclass(frozen=True, slots=True)
class StepAngle:
    """By what angle one step turned the view."""

    axis: Axis
    counts: int
    angle_deg: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a game turns counts into picture motion.

    latency_ms: every reaction measured, from a motion sent to the first look at the screen that shows it.
    turn_counts: of a full turn; None where the picture did not come back, and the steps had to do.
    linear_within: the largest deviation of a step's degrees per count, as a share.
    """

    size_wh: tuple[int, int]
    fov_deg: Value
    yaw_deg_per_count: Value
    pitch_deg_per_count: Value
    display_latency_ms: Value
    latency_ms: Floats
    turn_counts: float | None
    pitch: Pitch
    steps: list[StepAngle]
    linear_within: float

    def as_json(self) -> dict[str, Any]:
        """One object for `--json`: every figure with its error."""
        low, high = np.percentile(self.latency_ms, (10, 90))
        aspect = self.pitch.pixel_aspect
        return {
            "size_wh": list(self.size_wh),
            "fov_deg": self.fov_deg.as_json(),
            "yaw_deg_per_count": self.yaw_deg_per_count.as_json(),
            "pitch_deg_per_count": self.pitch_deg_per_count.as_json(),
            "display_latency_ms": {
                **self.display_latency_ms.as_json(),
                "p10": float(low),
                "p90": float(high),
                "samples": len(self.latency_ms),
            },
            "turn_counts": self.turn_counts,
            "pitch_motion": self.pitch.motion,
            "pixel_aspect": None
            if aspect is None
            else {"value": aspect, "error": self.pitch.pixel_aspect_error},
            "linear_within": self.linear_within,
            "linear": self.linear_within <= LINEAR_WITHIN,
        }


def measure_game(probe: Probe, pixel_aspect: float, trials: int = LATENCY_TRIALS) -> Calibration:
    """Measure everything, and turn the view back; UserError says why a game cannot be measured.

    Where the person or the probe's guard stopped it, the view stays: nothing is sent any more.
    """
    try:
        calibration = _measure(probe, pixel_aspect, trials)
    except UserError:
        with suppress(UserError):  # an envelope that was stopped refuses this too; the first reason counts
            probe.turn_back()
        raise
    probe.turn_back()
    return calibration


def _measure(probe: Probe, pixel_aspect: float, trials: int) -> Calibration:
    pairs, lens = sweep_yaw(probe)
    width = pairs[0].before.shape[1]
    scale = _turn_both_ways(probe, lens, pairs)
    known = None if scale is None else scale.value
    points = track_all(pairs, Axis.YAW, lens if known is None else Lens(lens.focal_px, known))
    fov_deg = fit_fov(points, width, known)
    fov_error = estimate_error(points, lambda drawn: fit_fov(drawn, width, known))
    focal = focal_px(fov_deg, width)
    if scale is None:
        scale = Value(
            fit_turn_scale(points, focal),
            estimate_error(
                points, lambda drawn: fit_turn_scale(drawn, focal_px(fit_fov(drawn, width), width))
            ),
        )
    steps = list_steps(Axis.YAW, pairs, points, measure_angles(points.before_px, points.after_px, focal))
    pitch = sweep_pitch(probe, focal, pixel_aspect)
    if pitch.points is not None:
        angles = pitch_angles(pitch.points, pitch.motion, focal * pixel_aspect)
        steps += list_steps(Axis.PITCH, pitch.pairs, pitch.points, angles)
    latency_ms = measure_latency(probe, pairs, trials)
    return Calibration(
        probe.size_wh,
        Value(fov_deg, fov_error),
        scale,
        Value(pitch.deg_per_count, pitch.error_deg),
        find_median(latency_ms),
        latency_ms,
        None if known is None else 360 / known,
        pitch,
        steps,
        find_nonlinearity(steps, {Axis.YAW: scale.value, Axis.PITCH: pitch.deg_per_count}),
    )


def _turn_both_ways(probe: Probe, lens: Lens, pairs: list[Pair]) -> Value | None:
    """Degrees per count by full turns to the right and to the left; None if the picture never came back."""
    probe.report("a full turn to the right, and one to the left")
    largest = max(abs(pair.counts) for pair in pairs)
    changed = find_changed_share([pair for pair in pairs if abs(pair.counts) == largest])
    turns = [turn_fully(probe, lens, sign, changed) for sign in (1, -1)]
    found = [turn for turn in turns if turn is not None]
    if not found:
        return None
    one_count = float(np.mean(found)) ** 2 / 360  # the share of a count in a full turn
    return Value(float(np.mean(found)), max(one_count, float(np.ptp(found)) / 2))


def list_steps(axis: Axis, pairs: list[Pair], points: Points, angles_deg: Floats) -> list[StepAngle]:
    """The angle of each pair: the median of its points."""
    return [
        StepAngle(axis, pair.counts, float(np.median(angles_deg[points.pair == number])))
        for number, pair in enumerate(pairs)
        if (points.pair == number).any()
    ]


def find_nonlinearity(steps: list[StepAngle], deg_per_count: dict[Axis, float]) -> float:
    """The largest deviation of a step size's degrees per count from the whole, as a share."""
    sizes: dict[tuple[Axis, int], list[float]] = {}
    for step in steps:
        ratio = step.angle_deg / step.counts / deg_per_count[step.axis]
        sizes.setdefault((step.axis, abs(step.counts)), []).append(ratio)
    return max(abs(float(np.median(ratios)) - 1) for ratios in sizes.values())


def find_changed_share(pairs: list[Pair]) -> float:
    """The share of the pixels that these steps changed, in the median."""
    return float(np.median([find_moved(pair.before, pair.after).mean() for pair in pairs]))


def measure_latency(probe: Probe, pairs: list[Pair], trials: int) -> Floats:
    """Milliseconds from a motion sent to the first look that shows it, at random phases to the game's frames.

    UserError if the view mostly does not answer in time.
    """
    counts = max(abs(pair.counts) for pair in pairs) // 2 or 1
    changed = find_changed_share([step_pair(probe, Axis.YAW, sign * counts) for sign in (1, -1)])
    rng = np.random.default_rng(1)
    found = []
    for trial in range(trials):
        answer = probe.react(
            counts * (-1) ** trial, changed * REACTION_SHARE, float(rng.uniform(0, PAUSE_RANGE_S))
        )
        if answer is not None:
            found.append((answer[1] - answer[0]) / 1e6)
        if trial % 10 == 0:
            probe.report(f"latency, {trial} of {trials}")
    if len(found) < MIN_ANSWERS * trials:
        raise UserError(
            f"expected the picture to answer each motion, it did for {len(found)} of {trials}; "
            "calibrate in a scene with little motion of its own"
        )
    return np.array(found)


def find_median(samples: Floats) -> Value:
    """The median, and its standard error by drawing the samples anew (bootstrap)."""
    draws = np.random.default_rng(1).choice(samples, (RESAMPLES, len(samples)))
    return Value(float(np.median(samples)), float(np.median(draws, axis=1).std()))
