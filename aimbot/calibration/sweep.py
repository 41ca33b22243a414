"""Turns the view by steps of growing size, and all the way round, and measures the angle of each."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from aimbot.calibration.geometry import (
    Points,
    align,
    apply_homography,
    build_turn,
    fit_fov,
    fit_turn_scale,
    focal_px,
    measure_angles,
)
from aimbot.calibration.probe import Probe
from aimbot.calibration.shifts import (
    Floats,
    Mask,
    PatchShifts,
    Picture,
    find_common,
    find_moved,
    measure_shifts,
)
from capture.errors import UserError

FIRST_SHIFT_PX = 5.0
RUNGS_PX = (8.0, 16.0, 32.0, 64.0)
RUNG_SIGNS = (1, -1, -1, 1)
"""To both sides of where the view was, and back."""
MAX_STEP_SHARE = 0.25
"""The largest step, over the field of view."""
STARTING_FOV_DEG = 90.0
MIN_SHARE = 0.4
RETURN_SHARE = 0.4
STUCK_SHARE = 0.25
"""Of the pixels that a turn changes: fewer are things that move in a view that does not."""
MIN_POINTS = 4
STOPPED_STEPS = 3
MAX_TURN_STEPS = 150
"""A full turn that takes more is not tried."""
MUDDLED = (
    "expected a picture with texture that moves as one, got too few parts that do; "
    "look at a scene with detail and little motion, and calibrate again"
)


class Axis(IntEnum):
    """Of the mouse, and of the picture that it moves."""

    YAW = 0
    PITCH = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two looks, and the counts sent between them."""

    before: Picture
    after: Picture
    counts: int


@dataclass(frozen=True, slots=True)
class Lens:
    """What is known so far: the focal length along x, degrees per count, height over width of the pixels."""

    focal_px: float
    deg_per_count: float
    pixel_aspect: float = 1.0

    @property
    def focal_xy(self) -> tuple[float, float]:
        """Focal lengths in pixels along x and along y."""
        return self.focal_px, self.focal_px * self.pixel_aspect


def step_pair(probe: Probe, axis: Axis, counts: int) -> Pair:
    """Turn by so many counts along the axis, between two looks."""
    before = probe.look()
    probe.turn(*((counts, 0) if axis is Axis.YAW else (0, counts)))
    return Pair(before, probe.look(), counts)


def find_first_step(probe: Probe, axis: Axis) -> tuple[int, float] | None:
    """Counts that shift the picture's middle by some pixels, and the shift per count; None if none does.

    Steps double, to and fro, so that the view stays near where it was.
    """
    counts, sign = 1, 1
    best: tuple[int, float] | None = None
    while counts <= probe.max_step_counts:
        pair = step_pair(probe, axis, sign * counts)
        shift = _middle_shift(measure_shifts(pair.before, pair.after), axis)
        if abs(shift) >= 1:
            best = counts, -shift / pair.counts
        if abs(shift) >= FIRST_SHIFT_PX:
            return best
        counts, sign = counts * 2, -sign
    return best


def _middle_shift(shifts: PatchShifts, axis: Axis) -> float:
    """The shift that the moving patches near the middle share, or 0."""
    along = shifts.xy_px[:, axis]
    reach = np.abs(along).max(initial=0) / 2
    moved = shifts.shift_px[np.abs(along) <= reach, axis]
    moving = moved[np.abs(moved) >= 1]
    if moving.size < max(2.0, MIN_SHARE * shifts.textured / 2):  # half of the patches lie in the middle
        return 0.0
    value, share = find_common(moving, tolerance=max(1.5, 0.2 * float(np.median(np.abs(moving)))))
    return value if share >= 0.5 else 0.0


def track_pair(pair: Pair, number: int, axis: Axis, lens: Lens) -> Points:
    """Where the pair's patches went: measured against the picture that the lens expects."""
    height, width = pair.before.shape
    homography = build_turn(axis, lens.deg_per_count * pair.counts, lens.focal_xy, (width, height))
    return track_patches(pair, number, axis, homography, find_moved(pair.before, pair.after))


def track_patches(pair: Pair, number: int, axis: Axis, homography: Floats, moved: Mask) -> Points:
    """Where the pair's patches went, when the later picture is first aligned by a homography."""
    size = pair.before.shape[1], pair.before.shape[0]
    shifts = measure_shifts(pair.before, align(pair.after, homography), moved)
    arrived = apply_homography(shifts.xy_px + shifts.shift_px, homography, size)
    inside = (np.abs(arrived) < np.array(size) / 2).all(axis=1)
    count = int(inside.sum())
    return Points(
        shifts.xy_px[inside, axis],
        arrived[inside, axis],
        np.full(count, float(pair.counts)),
        np.full(count, float(number)),
    )


def join_points(parts: list[Points]) -> Points:
    """All points as one; UserError if there are too few to say anything."""
    if sum(len(part.counts) for part in parts) < MIN_POINTS * len(parts):
        raise UserError(MUDDLED)
    columns = zip(*((p.before_px, p.after_px, p.counts, p.pair) for p in parts), strict=True)
    return Points(*(np.concatenate(column) for column in columns))


def sweep_yaw(probe: Probe, fov_deg: float = STARTING_FOV_DEG) -> tuple[list[Pair], Lens]:
    """Pairs of looks at steps of growing size, and the lens that they fit; UserError if nothing moves."""
    first = find_first_step(probe, Axis.YAW)
    if first is None:
        raise UserError(
            f"expected the view to turn, nothing moved at up to {probe.max_step_counts} counts; "
            "is the game running, in front, and looking by mouse?"
        )
    px_per_count = first[1]
    refuse_inverted(px_per_count, "right")
    width = probe.look().shape[1]
    focal = focal_px(fov_deg, width)
    lens = Lens(focal, float(np.degrees(np.arctan(px_per_count / focal))))
    pairs: list[Pair] = []
    for rung_px in RUNGS_PX:
        counts = max(1, min(round(rung_px / px_per_count), widest_step(probe, lens, width)))
        if any(abs(pair.counts) == counts for pair in pairs):
            continue
        pairs += [step_pair(probe, Axis.YAW, counts * sign) for sign in RUNG_SIGNS]
        points = track_all(pairs, Axis.YAW, lens)
        focal = focal_px(fit_fov(points, width), width)
        lens = Lens(focal, fit_turn_scale(points, focal))
        if lens.deg_per_count <= 0:
            raise UserError(MUDDLED)
        probe.report(f"yaw, steps of {counts} counts: {lens.deg_per_count:.5f} degrees per count so far")
    return pairs, lens


def widest_step(probe: Probe, lens: Lens, width_px: int) -> int:
    """Counts of a step after which most of the picture is still in view."""
    fov_deg = 2 * float(np.degrees(np.arctan(width_px / 2 / lens.focal_px)))
    return max(1, min(round(MAX_STEP_SHARE * fov_deg / lens.deg_per_count), probe.max_step_counts))


def refuse_inverted(px_per_count: float, way: str) -> None:
    """UserError if the picture moves along with the mouse, and not against it."""
    if px_per_count < 0:
        raise UserError(
            f"expected the view to turn {way} as the mouse goes {way}, it turned the other way; "
            "set the game's mouse to not inverted, and calibrate again"
        )


def track_all(pairs: list[Pair], axis: Axis, lens: Lens) -> Points:
    """The points of all pairs, under the lens."""
    return join_points([track_pair(pair, number, axis, lens) for number, pair in enumerate(pairs)])


def turn_fully(probe: Probe, lens: Lens, sign: int, changed_share: float) -> float | None:
    """Degrees per count by a full turn: the picture comes back; None if it does not.

    changed_share: of the pixels that a turn changes. UserError if the view stops on the way, as it does where
    the game reads the pointer's position.
    """
    first = before = probe.look()
    moved = np.zeros(first.shape, bool)
    whole = round(360 / lens.deg_per_count)
    step_counts = widest_step(probe, lens, first.shape[1])
    if whole > MAX_TURN_STEPS * step_counts:
        return None
    sent = stopped = 0
    while sent < whole:
        counts = sign * min(step_counts, whole - sent)
        probe.turn(counts, 0)
        sent += abs(counts)
        after = probe.look()
        moved |= find_moved(before, after)
        stuck = find_moved(before, after).mean() < STUCK_SHARE * changed_share
        stopped = stopped + 1 if stuck else 0
        if stopped == STOPPED_STEPS:
            turned = (sent - stopped * step_counts) * lens.deg_per_count
            raise UserError(
                f"expected a view that turns without an end, it stopped after {turned:.0f} degrees, as where "
                "the game reads the pointer's absolute position; turn on its raw or relative mouse input"
            )
        before = after
    points = track_patches(Pair(first, before, whole), 0, Axis.YAW, np.eye(3), moved)
    angles = measure_angles(points.before_px, points.after_px, lens.focal_px)
    angle, share = find_common(angles, tolerance=float(np.degrees(1.5 / lens.focal_px)))
    return (360 + sign * angle) / whole if share >= RETURN_SHARE else None
