"""Steer to the target in mouse counts."""

import math

from pydantic import BaseModel, ConfigDict, Field

from aimbot.ledger import CountLedger
from aimbot.target import INERT, XY, Command, Target
from aimbot.trajectory import LONGEST_STEP_S, Motion, Trajectory
from aimbot.trigger import Trigger
from aimbot.view import ViewSettings

MOST_UNSURE = 0.65  # of the half box: further out the crosshair would be on its edge
FIRST_STEP_S = 1 / 60  # what the first step counts as


class ControllerSettings(BaseModel):
    """The feel of the motion; every rate is in degrees and seconds, whatever the frame rate."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    smoothing_s: float = Field(0.05, ge=0, description="time in which most of an error is closed; 0: at once")
    max_speed_deg_per_s: float = Field(720.0, gt=0)
    max_acceleration_deg_per_s2: float = Field(0.0, ge=0, description="0: no limit")
    dead_zone_deg: float = Field(0.1, ge=0, description="errors are closed down to this")
    dead_zone_share: float = Field(0.25, ge=0, lt=1, description="or to this part of the half box, if larger")
    max_pitch_deg: float = Field(
        180.0, gt=0, le=180, description="look up or down no further than this from where the run began"
    )
    lead: float = Field(1.0, ge=0, le=2, description="how much of the target's own motion is predicted")
    search_deg_per_s: float = Field(0.0, ge=-360, le=360, description="turn while nothing is seen; 0: do not")
    search_after_s: float = Field(0.3, ge=0, description="nothing seen for this long before the search")


class Controller:
    """Turns a target into a command, or into a way that others go; keeps the motion of its commands."""

    def __init__(self, controller: ControllerSettings, trigger: Trigger, view: ViewSettings) -> None:
        self.settings, self.view = controller, view
        self._trigger, self._motion = trigger, Motion()
        self.reset()

    def reset(self) -> None:
        """Forget the past, as after a refused or stale step."""
        self._last_ns: int | None = None
        self._seen_ns: int | None = None
        self._motion.reset()

    def steer(self, target: Target | None, ledger: CountLedger, captured_ns: int, now_ns: int) -> Command:
        """The command for the frame taken at `captured_ns`, decided at `now_ns`: its whole motion at once.

        dt comes from the capture stamps. The aim is where the target will be when these counts show.
        """
        dt_s = (captured_ns - self._last_ns) / 1e9 if self._last_ns is not None else FIRST_STEP_S
        self._last_ns = captured_ns
        dt_s = min(max(dt_s, 0.0), LONGEST_STEP_S)
        if target is None:
            self._motion.stop()
            turn = self._search_counts(ledger, captured_ns, dt_s)
            return Command(*self._motion.round(turn), fire=False) if turn else INERT
        lead_s = self._find_lead_s(captured_ns, now_ns)
        trajectory = self._aim(target, ledger, lead_s, captured_ns, now_ns)
        counts = self._motion.step(trajectory, trajectory.way_counts, dt_s)
        if counts is None:
            self.reset()
            return INERT
        after = (ledger.total[0] + counts[0], ledger.total[1] + counts[1])
        return Command(*counts, self._trigger.pull(target, after, lead_s, now_ns))

    def plan(
        self, target: Target | None, ledger: CountLedger, captured_ns: int, now_ns: int
    ) -> tuple[Command, Trajectory | None]:
        """The same as a way to go until the next frame, or None, and a command that moves nothing itself.

        The trigger goes by what has been sent so far, for a shot does not follow counts that come after it.
        """
        if target is None:
            turn = self._search_counts(ledger, captured_ns, LONGEST_STEP_S)
            return INERT, self._follow_search(turn, captured_ns, now_ns) if turn else None
        lead_s = self._find_lead_s(captured_ns, now_ns)
        trajectory = self._aim(target, ledger, lead_s, captured_ns, now_ns).end_at_dead_zone()
        if not all(map(math.isfinite, (*trajectory.way_counts, *trajectory.velocity_counts_per_s))):
            self.reset()
            return INERT, None
        return Command(0, 0, self._trigger.pull(target, ledger.total, lead_s, now_ns)), trajectory

    def _find_lead_s(self, captured_ns: int, now_ns: int) -> float:
        """How far ahead of its frame a target is aimed at."""
        late_s = (now_ns - captured_ns) / 1e9 + self.view.display_latency_ms / 1e3
        return self.settings.lead * late_s

    def _aim(
        self, target: Target, ledger: CountLedger, lead_s: float, captured_ns: int, now_ns: int
    ) -> Trajectory:
        """The way to where the target will be in `lead_s`."""
        self._seen_ns = captured_ns
        x, y = target.bearing_counts
        vx, vy = target.velocity_counts_per_s
        aim_y = y + vy * lead_s
        level_y = self._limit_pitch(aim_y)
        if level_y != aim_y:
            vy = 0.0  # it stays at the limit
        way = x + vx * lead_s - ledger.total[0], level_y - ledger.total[1]
        dead = self._dead_zone_deg(target, lead_s)
        return self._draw(captured_ns, now_ns, way, (vx, vy), dead, self.settings.smoothing_s)

    def _limit_pitch(self, y_counts: float) -> float:
        """As far up or down as the view may look."""
        pitch = self.view.pitch_deg_per_count
        most = self.settings.max_pitch_deg / pitch if pitch else 0.0
        return min(max(y_counts, -most), most)

    def _draw(
        self, captured_ns: int, now_ns: int, way: XY, velocity: XY, dead_deg: float, smoothing_s: float
    ) -> Trajectory:
        rules = self.settings
        limits = rules.max_speed_deg_per_s, rules.max_acceleration_deg_per_s2
        scale = self.view.yaw_deg_per_count, self.view.pitch_deg_per_count
        return Trajectory(captured_ns, now_ns, way, velocity, dead_deg, scale, smoothing_s, *limits)

    def _dead_zone_deg(self, target: Target, lead_s: float) -> float:
        """Errors that are left alone: they are small, or of a size that the prediction may be off by.

        So the first move to a target of unknown speed ends at the near side of its box, and not beyond it.
        """
        halves = [half for half in self._to_deg(target.half_size_counts) if half > 0]
        box = min(halves, default=0.0)
        unsure = math.hypot(*self._to_deg(target.speed_sigma_counts_per_s)) * lead_s
        rules = self.settings
        return max(rules.dead_zone_deg, rules.dead_zone_share * box, min(unsure, MOST_UNSURE * box))

    def _to_deg(self, counts: XY) -> XY:
        return counts[0] * self.view.yaw_deg_per_count, counts[1] * self.view.pitch_deg_per_count

    def _search_counts(self, ledger: CountLedger, captured_ns: int, dt_s: float) -> XY | None:
        """The turn of `dt_s`, and as much up or down as far as where the run began; None: not yet."""
        if self._seen_ns is None:
            self._seen_ns = captured_ns
        waited_s = (captured_ns - self._seen_ns) / 1e9
        if self.settings.search_deg_per_s == 0 or waited_s < self.settings.search_after_s:
            return None
        turn_deg = self.settings.search_deg_per_s * dt_s
        down_deg = ledger.total[1] * self.view.pitch_deg_per_count
        level_deg = -math.copysign(min(abs(down_deg), abs(turn_deg)), down_deg)
        yaw, pitch = self.view.yaw_deg_per_count, self.view.pitch_deg_per_count
        return turn_deg / yaw, level_deg / pitch if pitch else 0.0

    def _follow_search(self, turn: XY, captured_ns: int, now_ns: int) -> Trajectory:
        """The turn of LONGEST_STEP_S as a constant speed, so that it does not go beyond the level."""
        speed = turn[0] / LONGEST_STEP_S, turn[1] / LONGEST_STEP_S
        return self._draw(captured_ns, now_ns, (0.0, 0.0), speed, 0.0, 0.0)
