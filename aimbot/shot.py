"""What became of the target that was shot at last."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from aimbot.tracker import Track


class ShotSettings(BaseModel):
    """Signs of a kill; they make the lock free for another target, and no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shows_s: float = Field(0.25, ge=0, description="what a shot did shows within so long of the press")
    let_go_s: float = Field(0.1, ge=0, description="a target not seen whole for so long fell")
    wider: float = Field(
        0.0, ge=0, description="a box wider by this share than it has been is of one that falls; 0: no sign"
    )


class Shot:
    """Watches the track that was locked when the button went down."""

    def __init__(self, settings: ShotSettings) -> None:
        self.settings = settings
        self._track_id: int | None = None
        self._pressed_ns = 0
        self._width_px: float | None = None  # the widest since the press, for a flash hides parts of it
        self._is_falling = False

    def press(self, track_id: int | None, pressed_ns: int) -> None:
        """The button went down."""
        self._track_id, self._pressed_ns = track_id, pressed_ns
        self._width_px, self._is_falling = None, False

    def look(self, tracks: Iterable[Track], now_ns: int) -> None:
        """Compare how the track looks with how it looked before."""
        track = next((one for one in tracks if one.track_id == self._track_id), None)
        if track is None or track.seen_ns < now_ns or self._is_over(now_ns):
            return
        left, _, right, _ = track.seen.box_xyxy_px
        grows = self._width_px is not None and right - left > (1 + self.settings.wider) * self._width_px
        self._is_falling |= grows and self.settings.wider > 0
        self._width_px = max(self._width_px or 0.0, right - left)

    def felled(self, track: Track, now_ns: int) -> bool:
        """Whether the track is one that was shot, and seems to have fallen."""
        if track.track_id != self._track_id:
            return False
        is_gone = track.hidden_s(now_ns) > self.settings.let_go_s
        return self._is_falling or (is_gone and not self._is_over(now_ns))

    def _is_over(self, now_ns: int) -> bool:
        return (now_ns - self._pressed_ns) / 1e9 > self.settings.shows_s
