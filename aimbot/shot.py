"""What became of the target that was shot at last."""

import math
from collections import deque
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from aimbot.tracker import Track, find_track

KILLS_KEPT = 2
"""So many of the last kills tell how many shots one takes."""
SHARE_WEIGHT = 2.0
DOUBT = 0.3
"""So much less is `rest_below` for who was shot less often than that."""
REST_S = 0.6
"""So long after the press such a part of who fell is no target; one that is seen for longer is one again."""


class ShotSettings(BaseModel):
    """The sign of a kill: what fell is no target until more of it is seen than a kill leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shows_after_s: float = Field(0.0, ge=0, description="what a shot did shows no sooner after the press")
    shows_s: float = Field(0.25, ge=0, description="nor later: who goes then hid, behind the flash perhaps")
    let_go_s: float = Field(
        0.1, ge=0, description="a target that went in this time fell once so long has passed without it"
    )
    doubt_let_go_s: float = Field(
        0.1, ge=0, description="or so long, if it was shot less often than a kill took of late"
    )
    rest_below: float = Field(
        0.0, ge=0, description="what is seen then fell if confidence + 2 x share of area is less; 0: never"
    )


class Shot:
    """Watches the track that was locked when the button went down."""

    def __init__(self, settings: ShotSettings) -> None:
        self.settings = settings
        self._track_id: int | None = None
        self._pressed_ns = 0
        self._full_px2 = 0.0  # its area at the press
        self._shots = 0  # at this track, one after the other
        self._kills: deque[int] = deque(maxlen=KILLS_KEPT)  # the shots that each took
        self._gone_ns: int | None = None
        self._fell = False

    def press(self, track: Track | None, pressed_ns: int) -> None:
        """The button went down, at this track."""
        track_id = track.track_id if track else None
        if track_id != self._track_id:
            if self._fell:
                self._kills.append(self._shots)
            self._shots = 0
        self._shots += 1
        self._track_id, self._pressed_ns = track_id, pressed_ns
        self._full_px2 = track.whole_px2 if track else 0.0
        self._gone_ns, self._fell = None, False

    def look(self, tracks: Iterable[Track], now_ns: int) -> None:
        """See whether it has gone since the press, or come back."""
        track = find_track(tracks, self._track_id)
        if track is None:
            return
        is_seen = track.seen_ns == now_ns
        is_rest = is_seen and self._is_rest(track, now_ns)
        if is_seen and not is_rest:
            self._gone_ns, self._fell = None, False
            return
        if self._gone_ns is None or (is_rest and not self._went_by_shot):
            self._gone_ns = now_ns
        self._fell = self._fell or (is_rest and self._is_due) or self._stays_away(now_ns)

    @property
    def _went_s(self) -> float:
        """How long after the press it went; without end while it has not."""
        return math.inf if self._gone_ns is None else (self._gone_ns - self._pressed_ns) / 1e9

    @property
    def _went_by_shot(self) -> bool:
        """Whether it went when a shot shows."""
        return self.settings.shows_after_s <= self._went_s <= self.settings.shows_s

    def _stays_away(self, now_ns: int) -> bool:
        """Whether it went when a shot shows, and has been away, or no more than a rest, for long enough."""
        needed_s = self.settings.let_go_s if self._is_due else self.settings.doubt_let_go_s
        return self._went_by_shot and (now_ns - self._pressed_ns) / 1e9 - self._went_s >= needed_s

    @property
    def _is_due(self) -> bool:
        """Whether it has been shot as often as the last kills took."""
        return self._shots >= max(self._kills, default=0)

    def _is_rest(self, track: Track, now_ns: int) -> bool:
        """Whether what is seen looks like what a kill leaves: small, and no longer much like a target."""
        settings, since_s = self.settings, (now_ns - self._pressed_ns) / 1e9
        share = track.seen.area_px2 / max(self._full_px2, 1.0)
        if not settings.rest_below:
            return False
        below = settings.rest_below if self._is_due else settings.rest_below - DOUBT
        shows = settings.shows_after_s <= since_s <= (REST_S if self._went_by_shot else settings.shows_s)
        return shows and track.seen.confidence + SHARE_WEIGHT * share < below

    def felled(self, track: Track) -> bool:
        """Whether the track is one that was shot, and has seemed to fall since."""
        return self._fell and track.track_id == self._track_id
