"""What became of the target that was shot at last."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from aimbot.tracker import Track


class ShotSettings(BaseModel):
    """The sign of a kill: what fell is no target until it is seen whole again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shows_after_s: float = Field(0.0, ge=0, description="what a shot did shows no sooner after the press")
    shows_s: float = Field(0.25, ge=0, description="nor later: who goes then hid, behind the flash perhaps")
    let_go_s: float = Field(
        0.1, ge=0, description="a target that went in this time and stays away so long fell"
    )
    late_s: float = Field(0.25, ge=0, description="who goes later than this after the press hid as often")
    late_let_go_s: float = Field(0.1, ge=0, description="so it must stay away so long")


class Shot:
    """Watches the track that was locked when the button went down."""

    def __init__(self, settings: ShotSettings) -> None:
        self.settings = settings
        self._track_id: int | None = None
        self._pressed_ns = 0
        self._gone_ns: int | None = None  # since when it has not been seen whole
        self._fell = False

    def press(self, track_id: int | None, pressed_ns: int) -> None:
        """The button went down, at this track."""
        self._track_id, self._pressed_ns = track_id, pressed_ns
        self._gone_ns, self._fell = None, False

    def look(self, tracks: Iterable[Track], now_ns: int) -> None:
        """See whether it has gone since the press, or come back."""
        track = next((one for one in tracks if one.track_id == self._track_id), None)
        if track is None:
            return
        if track.whole_ns == now_ns:
            self._gone_ns, self._fell = None, False
            return
        if self._gone_ns is None:
            self._gone_ns = now_ns
        went_s = (self._gone_ns - self._pressed_ns) / 1e9
        if self.settings.shows_after_s <= went_s <= self.settings.shows_s:
            is_late = went_s > self.settings.late_s
            let_go_s = self.settings.late_let_go_s if is_late else self.settings.let_go_s
            self._fell = track.hidden_s(now_ns) > let_go_s

    def felled(self, track: Track) -> bool:
        """Whether the track is one that was shot, and has seemed to fall since."""
        return self._fell and track.track_id == self._track_id
