"""Steer to the target in mouse counts."""

import math

from pydantic import BaseModel, ConfigDict, Field

from aimbot.approach import approach_target, brake
from aimbot.ledger import CountLedger
from aimbot.target import INERT, XY, Command, Target
from aimbot.trigger import Trigger
from aimbot.view import ViewSettings

LONGEST_STEP_S = 0.1  # a longer gap between frames is a restart, not a step
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
    lead: float = Field(1.0, ge=0, le=2, description="how much of the target's own motion is predicted")
    search_deg_per_s: float = Field(0.0, ge=-360, le=360, description="turn while nothing is seen; 0: do not")
    search_after_s: float = Field(0.3, ge=0, description="nothing seen for this long before the search")


class Controller:
    """Turns a target into a command; keeps the velocity, and the part of a count not sent."""

    def __init__(self, controller: ControllerSettings, trigger: Trigger, view: ViewSettings) -> None:
        self.settings, self.view = controller, view
        self._trigger = trigger
        self.reset()

    def reset(self) -> None:
        """Forget the past, as after a refused or stale step."""
        self._last_ns: int | None = None
        self._seen_ns: int | None = None
        self._velocity: XY = (0.0, 0.0)  # of the crosshair, degrees a second
        self._unsent: XY = (0.0, 0.0)  # counts, less than one

    def steer(self, target: Target | None, ledger: CountLedger, captured_ns: int, now_ns: int) -> Command:
        """The command for the frame taken at `captured_ns`, decided at `now_ns`.

        dt comes from the capture stamps. The aim is where the target will be when these counts show.
        """
        dt_s = (captured_ns - self._last_ns) / 1e9 if self._last_ns is not None else FIRST_STEP_S
        self._last_ns = captured_ns
        dt_s = min(max(dt_s, 0.0), LONGEST_STEP_S)
        if target is None:
            self._velocity = (0.0, 0.0)
            return self._search(ledger, captured_ns, dt_s)
        self._seen_ns = captured_ns
        late_s = (now_ns - captured_ns) / 1e9 + self.view.display_latency_ms / 1e3
        lead_s = self.settings.lead * late_s
        step = self._step_counts(target, ledger, lead_s, dt_s)
        if not all(map(math.isfinite, step)):
            self.reset()
            return INERT
        counts = self._round(step)
        after = (ledger.total[0] + counts[0], ledger.total[1] + counts[1])
        return Command(*counts, self._trigger.pull(target, after, lead_s, now_ns))

    def _step_counts(self, target: Target, ledger: CountLedger, lead_s: float, dt_s: float) -> XY:
        """Counts to send now, not rounded; it carries the velocity on."""
        x, y = target.bearing_counts
        vx, vy = target.velocity_counts_per_s
        left = (
            x + vx * lead_s - ledger.total[0] - self._unsent[0],
            y + vy * lead_s - ledger.total[1] - self._unsent[1],
        )
        error, moves = self._to_deg(left), self._to_deg((vx, vy))
        rules, before = self.settings, self._velocity
        dead = self._dead_zone_deg(target, lead_s)
        step, after = approach_target(error, moves, before, dt_s, rules.smoothing_s, dead)
        limits = rules.max_speed_deg_per_s, rules.max_acceleration_deg_per_s2
        step, self._velocity = brake(step, after, before, error, dt_s, *limits)
        yaw, pitch = self.view.yaw_deg_per_count, self.view.pitch_deg_per_count
        return step[0] / yaw, step[1] / pitch if pitch else 0.0

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

    def _round(self, step: XY) -> tuple[int, int]:
        """Whole counts, the nearest; what is left is sent with the next ones."""
        wanted = (step[0] + self._unsent[0], step[1] + self._unsent[1])
        x, y = round(wanted[0]), round(wanted[1])
        self._unsent = (wanted[0] - x, wanted[1] - y)
        return x, y

    def _search(self, ledger: CountLedger, captured_ns: int, dt_s: float) -> Command:
        """Turn, and look up or down as far as where the run began."""
        if self._seen_ns is None:
            self._seen_ns = captured_ns
        waited_s = (captured_ns - self._seen_ns) / 1e9
        if self.settings.search_deg_per_s == 0 or waited_s < self.settings.search_after_s:
            return INERT
        turn_deg = self.settings.search_deg_per_s * dt_s
        down_deg = ledger.total[1] * self.view.pitch_deg_per_count
        level_deg = -math.copysign(min(abs(down_deg), abs(turn_deg)), down_deg)
        yaw, pitch = self.view.yaw_deg_per_count, self.view.pitch_deg_per_count
        return Command(*self._round((turn_deg / yaw, level_deg / pitch if pitch else 0.0)), fire=False)
