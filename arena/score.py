"""Score a live run from the game's own truth: kills, shots, hits and time to target."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Tic:
    """What the game knows after one tic.

    episode_s: game time since the episode began. The counts are the episode's so far.
    monsters_xyxy: boxes of the living, visible monsters, pixels of the screen buffer.
    """

    episode_s: float
    kills: int
    hits: int
    ammo: int
    angle_deg: float
    monsters_xyxy: Sequence[Box]


@dataclass(slots=True)
class Episode:
    """Totals of one episode; `time_to_target_s` has one entry for each monster that was aimed at."""

    seconds: float = 0.0
    kills: int = 0
    hits: int = 0
    shots: int = 0
    overshoots: int = 0
    time_to_target_s: list[float] = field(default_factory=list)


class Scorer:
    """Turns the tics of one episode into its totals."""

    def __init__(self, crosshair_xy: tuple[float, float]) -> None:
        """`crosshair_xy`: the screen buffer's centre, in pixels."""
        self._x, self._y = crosshair_xy
        self._ammo: int | None = None
        self._seen_s: float | None = None
        self._was_on = False
        self._kills_on_leave = -1
        self.episode = Episode()

    def add(self, tic: Tic) -> None:
        """Count one tic."""
        episode = self.episode
        if self._ammo is not None and tic.ammo < self._ammo:
            episode.shots += self._ammo - tic.ammo
        self._ammo = tic.ammo
        on_target = any(left <= self._x <= right for left, _, right, _ in tic.monsters_xyxy)
        if on_target and self._seen_s is not None:
            episode.time_to_target_s.append(tic.episode_s - self._seen_s)
            self._seen_s = None
        if not on_target and tic.monsters_xyxy and self._seen_s is None:
            self._seen_s = tic.episode_s
        if not tic.monsters_xyxy:
            self._seen_s = None
        if self._was_on and not on_target and tic.kills == episode.kills and tic.monsters_xyxy:
            episode.overshoots += 1
        self._was_on = on_target
        episode.kills, episode.hits, episode.seconds = tic.kills, tic.hits, tic.episode_s


def summarize(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Totals over the episodes; `hit_rate` is hits a shot, and 0 without a shot."""
    shots = sum(e.shots for e in episodes)
    hits = sum(e.hits for e in episodes)
    kills = sum(e.kills for e in episodes)
    seconds = sum(e.seconds for e in episodes)
    times = [t for e in episodes for t in e.time_to_target_s]
    return {
        "seconds": round(seconds, 2),
        "kills": kills,
        "shots": shots,
        "hits": hits,
        "hit_rate": round(hits / shots, 4) if shots else 0.0,
        "kills_a_minute": round(60 * kills / seconds, 2) if seconds else 0.0,
        "overshoots": sum(e.overshoots for e in episodes),
        "time_to_target_ms": round(1e3 * median(times), 1) if times else None,
        "episodes": [asdict(e) for e in episodes],
    }
