"""Steer to the target in mouse counts, and decide when to fire."""

import math

from pydantic import BaseModel, ConfigDict, Field

from aimbot.ledger import CountLedger
from aimbot.target import INERT, XY, Command, Target
from aimbot.view import ViewSettings

LONGEST_STEP_S = 0.1  # a longer gap between frames is a restart, not a step


class TriggerSettings(BaseModel):
    """Automatic fire while the aim point is inside the target's box."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    inset: float = Field(0.25, ge=0, lt=1, description="part of the half box that does not count as inside")
    press_s: float = Field(0.06, gt=0, description="how long the button is held")
    interval_s: float = Field(0.3, ge=0, description="from one press to the next")


class ControllerSettings(BaseModel):
    """The feel of the motion; every rate is in degrees and seconds, whatever the frame rate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smoothing_s: float = Field(0.05, ge=0, description="time constant of the approach; 0: at once")
    max_speed_deg_per_s: float = Field(720.0, gt=0)
    dead_zone_deg: float = Field(0.1, ge=0, description="smaller errors are left alone")
    lead: float = Field(1.0, ge=0, le=2, description="how much of the target's own motion is predicted")
    search_deg_per_s: float = Field(0.0, ge=-360, le=360, description="turn while nothing is seen; 0: do not")
    search_after_s: float = Field(0.3, ge=0, description="nothing seen for this long before the search")


class Controller:
    """Turns a target into a command; keeps the sub-count remainder and the trigger's state."""

    def __init__(self, controller: ControllerSettings, trigger: TriggerSettings, view: ViewSettings) -> None:
        self.settings, self.trigger, self.view = controller, trigger, view
        self._last_ns: int | None = None
        self._seen_ns: int | None = None
        self._pressed_ns: int | None = None
        self._remainder = (0.0, 0.0)

    def reset(self) -> None:
        """Forget the past, as after a refused or stale step."""
        self._last_ns = self._seen_ns = self._pressed_ns = None
        self._remainder = (0.0, 0.0)

    def steer(self, target: Target | None, ledger: CountLedger, captured_ns: int, now_ns: int) -> Command:
        """The command for the frame taken at `captured_ns`, decided at `now_ns`.

        The first order approach closes 1 − exp(−dt/τ) of the error in each step, so that the path does not
        depend on the frame rate. dt comes from the capture stamps.
        """
        dt_s = (captured_ns - self._last_ns) / 1e9 if self._last_ns is not None else 0.0
        self._last_ns = captured_ns
        dt_s = min(max(dt_s, 0.0), LONGEST_STEP_S)
        if target is None:
            return self._search(captured_ns, dt_s)
        self._seen_ns = captured_ns
        error = self._error_counts(target, ledger, captured_ns, now_ns)
        if not all(map(math.isfinite, error)):
            self.reset()
            return INERT
        dx, dy = self._limit_speed(self._approach(error, dt_s), dt_s)
        dx_counts, dy_counts = self._round((dx, dy))
        return Command(dx_counts, dy_counts, self._fire(target, ledger, (dx_counts, dy_counts), now_ns))

    def _error_counts(self, target: Target, ledger: CountLedger, captured_ns: int, now_ns: int) -> XY:
        """Counts still to send: the world bearing, led by the target's motion, less all that was sent."""
        late_s = (now_ns - captured_ns) / 1e9 + self.view.display_latency_ms / 1e3
        lead_s = self.settings.lead * late_s
        x, y = target.bearing_counts
        vx, vy = target.velocity_counts_per_s
        pitched = 1.0 if self.view.pitch_deg_per_count else 0.0
        return x + vx * lead_s - ledger.total[0], (y + vy * lead_s - ledger.total[1]) * pitched

    def _approach(self, error: XY, dt_s: float) -> XY:
        if self.view.counts_to_deg(error) <= self.settings.dead_zone_deg:
            self._remainder = (0.0, 0.0)
            return 0.0, 0.0
        share = 1 - math.exp(-dt_s / self.settings.smoothing_s) if self.settings.smoothing_s else 1.0
        return error[0] * share, error[1] * share

    def _limit_speed(self, step: XY, dt_s: float) -> XY:
        """Shorten the step to the speed limit, both axes by the same factor."""
        step_deg = self.view.counts_to_deg(step)
        limit_deg = self.settings.max_speed_deg_per_s * dt_s
        if step_deg <= limit_deg:
            return step
        return step[0] * limit_deg / step_deg, step[1] * limit_deg / step_deg

    def _round(self, step: XY) -> tuple[int, int]:
        """Whole counts, toward zero; what is left is carried to the next step."""
        x, y = step[0] + self._remainder[0], step[1] + self._remainder[1]
        self._remainder = (x - math.trunc(x), y - math.trunc(y))
        return math.trunc(x), math.trunc(y)

    def _search(self, captured_ns: int, dt_s: float) -> Command:
        if self._seen_ns is None:
            self._seen_ns = captured_ns
        waited_s = (captured_ns - self._seen_ns) / 1e9
        if self.settings.search_deg_per_s == 0 or waited_s < self.settings.search_after_s:
            return INERT
        step = self.settings.search_deg_per_s * dt_s / self.view.yaw_deg_per_count
        return Command(*self._round((step, 0.0)), fire=False)

    def _fire(self, target: Target, ledger: CountLedger, step: tuple[int, int], now_ns: int) -> bool:
        """Whether the button is to be down: input events keep their order, so a shot follows this step."""
        if not self.trigger.enabled:
            return False
        if self._pressed_ns is not None:
            since_s = (now_ns - self._pressed_ns) / 1e9
            if since_s < self.trigger.press_s:
                return True
            if since_s < self.trigger.interval_s:
                return False
        inside = 1 - self.trigger.inset
        off_x = abs(target.centre_counts[0] - ledger.total[0] - step[0])
        off_y = abs(target.centre_counts[1] - ledger.total[1] - step[1])
        flat = self.view.pitch_deg_per_count == 0
        on_target = off_x <= inside * target.half_size_counts[0] and (
            flat or off_y <= inside * target.half_size_counts[1]
        )
        if on_target and target.age_ns == 0:
            self._pressed_ns = now_ns
            return True
        return False
