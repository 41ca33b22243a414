"""When to press the fire button."""

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from aimbot.target import XY, Target


class TriggerSettings(BaseModel):
    """Automatic fire while the aim point is inside the target's box."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = False
    inset: float = Field(0.25, ge=0, lt=1, description="part of the half box that does not count as inside")
    press_s: float = Field(0.06, gt=0, description="how long the button is held")
    interval_s: float = Field(0.3, validate_default=True, description="from one press to the next")

    @field_validator("interval_s")
    @classmethod
    def _check_interval(cls, interval_s: float, others: ValidationInfo) -> float:
        press_s = others.data.get("press_s")
        if press_s is not None and interval_s < press_s:
            raise ValueError(f"expected at least aim.trigger.press_s, which is {press_s:g}")
        return interval_s


class Trigger:
    """Holds each press for its time, and waits out the interval.

    It goes by the presses that reached the mouse: one that was refused has not begun, one that was let go is
    over, and no refusal or reload brings the next one nearer than the interval.
    """

    def __init__(self, settings: TriggerSettings, is_flat: bool) -> None:
        """`is_flat`: heights do not count; see `ViewSettings`."""
        self._is_down = False
        self._pressed_ns: int | None = None
        self.apply_settings(settings, is_flat)

    def apply_settings(self, settings: TriggerSettings, is_flat: bool) -> None:
        """Take new settings; the last press stays known."""
        self.settings, self._is_flat = settings, is_flat

    def applied(self, sent_ns: int, fire: bool) -> bool:
        """Enter whether the button is down after a command; returns whether it went down just now."""
        is_press = fire and not self._is_down
        if is_press:
            self._pressed_ns = sent_ns
        self._is_down = fire
        return is_press

    def pull(self, target: Target, sent: XY, lead_s: float, now_ns: int) -> bool:
        """Whether the button is to be down once the total of all counts is `sent`.

        Input events keep their order, so a shot follows the step that was sent with it, and meets the target
        where that will be in `lead_s`. Steps that come after it do not count.
        """
        if not self.settings.enabled:
            return False
        if self._pressed_ns is not None:
            since_s = (now_ns - self._pressed_ns) / 1e9
            if self._is_down:
                return since_s < self.settings.press_s
            if since_s < self.settings.interval_s:
                return False
        return target.is_clear and self._is_inside(target, sent, lead_s)

    def _is_inside(self, target: Target, sent: XY, lead_s: float) -> bool:
        inside = 1 - self.settings.inset
        off_x, off_y = (
            abs(centre + velocity * lead_s - total) <= inside * half
            for centre, velocity, total, half in zip(
                target.centre_counts, target.velocity_counts_per_s, sent, target.half_size_counts, strict=True
            )
        )
        return off_x and (self._is_flat or off_y)
