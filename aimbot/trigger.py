"""When to press the fire button."""

from pydantic import BaseModel, ConfigDict, Field

from aimbot.target import XY, Target


class TriggerSettings(BaseModel):
    """Automatic fire while the aim point is inside the target's box."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = False
    inset: float = Field(0.25, ge=0, lt=1, description="part of the half box that does not count as inside")
    press_s: float = Field(0.06, gt=0, description="how long the button is held")
    interval_s: float = Field(0.3, ge=0, description="from one press to the next")


class Trigger:
    """Holds each press for its time, and waits out the interval."""

    def __init__(self, settings: TriggerSettings, is_flat: bool) -> None:
        """`is_flat`: the game has no vertical look, so heights do not count."""
        self.settings = settings
        self._is_flat = is_flat
        self._pressed_ns: int | None = None

    def reset(self) -> None:
        """Let go."""
        self._pressed_ns = None

    def pull(self, target: Target, sent: XY, lead_s: float, now_ns: int) -> bool:
        """Whether the button is to be down once the total of all counts is `sent`.

        Input events keep their order, so a shot follows the step that was sent with it, and meets the target
        where that will be in `lead_s`.
        """
        if not self.settings.enabled:
            return False
        if self._pressed_ns is not None:
            since_s = (now_ns - self._pressed_ns) / 1e9
            if since_s < self.settings.press_s:
                return True
            if since_s < self.settings.interval_s:
                return False
        if target.is_clear and self._is_inside(target, sent, lead_s):
            self._pressed_ns = now_ns
            return True
        return False

    def _is_inside(self, target: Target, sent: XY, lead_s: float) -> bool:
        inside = 1 - self.settings.inset
        off_x, off_y = (
            abs(centre + velocity * lead_s - total) <= inside * half
            for centre, velocity, total, half in zip(
                target.centre_counts, target.velocity_counts_per_s, sent, target.half_size_counts, strict=True
            )
        )
        return off_x and (self._is_flat or off_y)
