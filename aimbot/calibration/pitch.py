"""The vertical look: degrees per count, and whether the view turns or the picture only slides.

Doom's software renderers slide the picture up and down (y-shearing). Nothing in a sliding picture tells its
vertical focal length, so that has to come from the height of the game's pixels over their width.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from aimbot.calibration.geometry import (
    Points,
    build_slide,
    build_turn,
    clipped_error_px,
    estimate_error,
    fit_fov,
    fit_scale,
    focal_px,
    measure_angles,
    turn_positions,
)
from aimbot.calibration.probe import Probe
from aimbot.calibration.shifts import Floats, find_moved
from aimbot.calibration.sweep import (
    RUNG_SIGNS,
    RUNGS_PX,
    Axis,
    Lens,
    Pair,
    find_first_step,
    join_points,
    refuse_inverted,
    step_pair,
    track_patches,
)

Motion = Literal["turns", "slides", "none"]
MOTIONS: tuple[Motion, Motion] = ("turns", "slides")


@dataclass(frozen=True, slots=True)
class Pitch:
    """What vertical counts do.

    pixel_aspect, pixel_aspect_error: as the growth of the shift shows it; None where the picture slides.
    """

    motion: Motion
    deg_per_count: float
    error_deg: float
    pairs: list[Pair]
    points: Points | None
    pixel_aspect: float | None = None
    pixel_aspect_error: float | None = None


def sweep_pitch(probe: Probe, focal: float, pixel_aspect: float) -> Pitch:
    """Look up and down by steps of growing size; a game that does not answer has no vertical look."""
    first = find_first_step(probe, Axis.PITCH)
    if first is None:
        return Pitch("none", 0.0, 0.0, [], None)
    px_per_count = first[1]
    refuse_inverted(px_per_count, "down")
    lens = Lens(focal, 0.0, pixel_aspect)
    lens = replace(lens, deg_per_count=float(np.degrees(np.arctan(px_per_count / lens.focal_xy[1]))))
    motion: Motion = "turns"
    pairs: list[Pair] = []
    for rung_px in RUNGS_PX:
        counts = max(1, min(round(rung_px / px_per_count), probe.max_step_counts))
        if any(abs(pair.counts) == counts for pair in pairs):
            continue
        pairs += [step_pair(probe, Axis.PITCH, counts * sign) for sign in RUNG_SIGNS]
        points = _track(pairs, motion, lens)
        motion = min(MOTIONS, key=lambda candidate: _misfit_px(points, candidate, lens.focal_xy[1]))
        lens = replace(lens, deg_per_count=_fit(points, motion, lens.focal_xy[1]))
        probe.report(f"pitch, steps of {counts} counts: {lens.deg_per_count:.5f} degrees per count so far")
    points = _track(pairs, motion, lens)
    pitch = Pitch(
        motion,
        _fit(points, motion, lens.focal_xy[1]),
        estimate_error(points, lambda drawn: _fit(drawn, motion, lens.focal_xy[1])),
        pairs,
        points,
    )
    return pitch if motion == "slides" else _add_aspect(pitch, points, focal, pairs[0].before.shape[0])


def pitch_angles(points: Points, motion: Motion, focal: float) -> Floats:
    """The degrees by which each point says that the view went down."""
    if motion == "slides":  # between level and the step's end, where tan(angle) is the shift over f
        return np.asarray(np.degrees(np.arctan((points.before_px - points.after_px) / focal)))
    return measure_angles(points.before_px, points.after_px, focal)


def _fit(points: Points, motion: Motion, focal: float) -> float:
    return fit_scale(pitch_angles(points, motion, focal), points.counts)


def _misfit_px(points: Points, motion: Motion, focal: float) -> float:
    angles = _fit(points, motion, focal) * points.counts
    slid = points.before_px - focal * np.tan(np.radians(angles))
    turned = turn_positions(points.before_px, angles, focal)
    return clipped_error_px(points.after_px, slid if motion == "slides" else turned)


def _track(pairs: list[Pair], motion: Motion, lens: Lens) -> Points:
    parts = []
    for number, pair in enumerate(pairs):
        angle, size = lens.deg_per_count * pair.counts, (pair.before.shape[1], pair.before.shape[0])
        turn = build_turn(Axis.PITCH, angle, lens.focal_xy, size)
        homography = turn if motion == "turns" else build_slide(angle, lens.focal_xy[1])
        parts.append(track_patches(pair, number, Axis.PITCH, homography, find_moved(pair.before, pair.after)))
    return join_points(parts)


def _add_aspect(pitch: Pitch, points: Points, focal: float, height_px: int) -> Pitch:
    def measure(drawn: Points) -> float:
        return focal_px(fit_fov(drawn, height_px), height_px) / focal

    return replace(pitch, pixel_aspect=measure(points), pixel_aspect_error=estimate_error(points, measure))
