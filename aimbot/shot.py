"""What became of the target that was shot at last."""

from pydantic import BaseModel, ConfigDict, Field

from aimbot.tracker import Track


class ShotSettings(BaseModel):
    """The sign of a kill; it makes the lock free for another target, and no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shows_s: float = Field(0.25, ge=0, description="what a shot did shows within so long of the press")
    let_go_s: float = Field(0.1, ge=0, description="a target not seen whole for so long fell")


class Shot:
    """Watches the track that was locked when the button went down."""

    def __init__(self, settings: ShotSettings) -> None:
        self.settings = settings
        self._track_id: int | None = None
        self._pressed_ns = 0

    def press(self, track_id: int | None, pressed_ns: int) -> None:
        """The button went down."""
        self._track_id, self._pressed_ns = track_id, pressed_ns

    def felled(self, track: Track, now_ns: int) -> bool:
        """Whether the track is one that was shot, and seems to have fallen."""
        if track.track_id != self._track_id or (now_ns - self._pressed_ns) / 1e9 > self.settings.shows_s:
            return False
        return track.hidden_s(now_ns) > self.settings.let_go_s
