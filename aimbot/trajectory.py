"""The way to a target as a record, and the motion along it, in one step a frame or in many."""

import math
from dataclasses import dataclass, replace

from aimbot.approach import approach_target, brake
from aimbot.target import XY

LONGEST_STEP_S = 0.1  # a longer gap between frames is a restart, not a step


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Where one frame says to go, from `decided_ns` on.

    way_counts: from where all counts sent stand to the aim, at that time; velocity_counts_per_s: of the aim.
    deg_per_count: yaw and pitch; a pitch of 0 is a game without vertical look, and nothing is sent on it.
    """

    captured_ns: int
    decided_ns: int
    way_counts: XY
    velocity_counts_per_s: XY
    dead_zone_deg: float
    deg_per_count: XY
    smoothing_s: float
    max_speed_deg_per_s: float
    max_acceleration_deg_per_s2: float

    def to_deg(self, counts: XY) -> XY:
        """Counts as degrees."""
        return counts[0] * self.deg_per_count[0], counts[1] * self.deg_per_count[1]

    def way_at(self, time_ns: int) -> XY:
        """The way at a later time, from where it began."""
        passed_s = (time_ns - self.decided_ns) / 1e9
        (x, y), (vx, vy) = self.way_counts, self.velocity_counts_per_s
        return x + vx * passed_s, y + vy * passed_s

    def end_at_dead_zone(self) -> "Trajectory":
        """The way to the near edge of the dead zone, which then moves along with the aim.

        So the way is one curve, whatever the steps that it is gone in.
        """
        size = math.hypot(*self.to_deg(self.way_counts))
        share = max(0.0, 1 - self.dead_zone_deg / size) if size else 0.0
        way = self.way_counts[0] * share, self.way_counts[1] * share
        return replace(self, way_counts=way, dead_zone_deg=0.0)


class Motion:
    """How the crosshair moves: its velocity, and the part of a count not sent."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Stand still."""
        self._velocity: XY = (0.0, 0.0)  # degrees a second
        self._unsent: XY = (0.0, 0.0)  # counts, less than one

    def stop(self) -> None:
        """Lose the speed; the part of a count stays."""
        self._velocity = (0.0, 0.0)

    def step(self, trajectory: Trajectory, way_counts: XY, dt_s: float) -> tuple[int, int] | None:
        """Whole counts of the `dt_s` since the last step; None, and at rest, where they are not finite.

        way_counts: from where all counts sent stand to the aim now.
        """
        left = way_counts[0] - self._unsent[0], way_counts[1] - self._unsent[1]
        error, moves = trajectory.to_deg(left), trajectory.to_deg(trajectory.velocity_counts_per_s)
        before, dead = self._velocity, trajectory.dead_zone_deg
        step, after = approach_target(error, moves, before, dt_s, trajectory.smoothing_s, dead)
        limits = trajectory.max_speed_deg_per_s, trajectory.max_acceleration_deg_per_s2
        step, self._velocity = brake(step, after, before, error, dt_s, *limits)
        yaw, pitch = trajectory.deg_per_count
        counts = step[0] / yaw, step[1] / pitch if pitch else 0.0
        if not all(map(math.isfinite, counts)):
            self.reset()
            return None
        return self.round(counts)

    def round(self, counts: XY) -> tuple[int, int]:
        """Whole counts, the nearest; what is left is sent with the next ones."""
        wanted = (counts[0] + self._unsent[0], counts[1] + self._unsent[1])
        x, y = round(wanted[0]), round(wanted[1])
        self._unsent = (wanted[0] - x, wanted[1] - y)
        return x, y
