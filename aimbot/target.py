"""The records that aiming emits."""

from dataclasses import dataclass

XY = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Target:
    """The track that was chosen.

    box_xyxy_px, aim_xy_px: in pixels of the frame it was last seen in.
    bearing_counts: the aim point's yaw and pitch in mouse counts, in the world frame: what the sum of all
        counts sent must become for the crosshair to stand on it.
    half_size_counts: half the box's width and height, in counts, for the trigger.
    velocity_counts_per_s: the target's own motion, free of the view's; speed_sigma_counts_per_s: how far off
        that may be, as a deviation.
    age_ns: time since it was last seen.
    is_clear: it is in the picture now, all of it, and so surely that this alone would make it a target. What
        is left of one that fell, or is hidden by the muzzle flash, is followed and not fired at.
    """

    track_id: int
    class_id: int
    box_xyxy_px: Box
    aim_xy_px: XY
    bearing_counts: XY
    centre_counts: XY
    half_size_counts: XY
    velocity_counts_per_s: XY
    speed_sigma_counts_per_s: XY
    age_ns: int
    is_clear: bool


@dataclass(frozen=True, slots=True)
class Command:
    """What to send: whole mouse counts, and whether the fire button is to be down."""

    dx_counts: int
    dy_counts: int
    fire: bool


INERT = Command(0, 0, False)
"""The command that does nothing: what stale, inactive or broken input becomes."""
