"""Score a live run from the game's own truth: kills, shots, hits, time to target, overshoots."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

from arena.truth import Box, Monster, Tic, wrap_deg

SHORTEST_CYCLE_S = 0.3  # from shot to shot, of the pistol that all scenarios begin with: it takes 0.54 s


@dataclass(slots=True)
class Episode:
    """Totals of one episode.

    visible_s: while a living monster was to be seen; on_target_s: while the crosshair was on one.
    overshoots: the view's own turn took the crosshair off a living monster; walked_off: the monster's walk
        did; crossed: either did, and another one stays under the crosshair that was there before, too.
    shots_off: shots begun while the crosshair was on no living monster.
    time_to_target_s: for each monster that was reached, from when one was to be seen and none under the
        crosshair.
    on_to_shot_s: from there to the first shot.
    pictures, wall_s: those that the game drew, and in how much real time.
    """

    seconds: float = 0.0
    visible_s: float = 0.0
    on_target_s: float = 0.0
    kills: int = 0
    hits: int = 0
    shots: int = 0
    shots_off: int = 0
    overshoots: int = 0
    walked_off: int = 0
    crossed: int = 0
    died: bool = False
    time_to_target_s: list[float] = field(default_factory=list)
    on_to_shot_s: list[float] = field(default_factory=list)
    pictures: int = 0
    wall_s: float = 0.0


class Scorer:
    """Turns the tics of one episode into its totals."""

    def __init__(self, size_wh: tuple[int, int], fov_deg: float) -> None:
        """`size_wh`, `fov_deg`: the screen buffer's size in pixels and horizontal field of view."""
        self._x = size_wh[0] / 2
        self._focal_px = self._x / math.tan(math.radians(fov_deg) / 2)
        self._last: Tic | None = None
        self._seen_s: float | None = None
        self._on: Monster | None = None
        self._under: set[int] = set()
        self._on_s: float | None = None
        self._shot_s = -math.inf
        self._reached: set[int] = set()
        self.episode = Episode()

    def add(self, tic: Tic) -> None:
        """Count one tic."""
        under = [m for m in tic.monsters if m.box and m.box[0] <= self._x <= m.box[2]]
        on = self._choose_under(under)
        self._count_leaving(tic, on)
        self._time_approach(tic, on)
        self._count_shots(tic, on)
        episode = self.episode
        tic_s = tic.episode_s - episode.seconds
        episode.visible_s += tic_s * any(m.box for m in tic.monsters)
        episode.on_target_s += tic_s * (on is not None)
        episode.kills, episode.hits, episode.seconds = tic.kills, tic.hits, tic.episode_s
        self._last, self._on = tic, on
        self._under = {m.monster_id for m in under}

    def _choose_under(self, under: Sequence[Monster]) -> Monster | None:
        """Of the living monsters under the crosshair the one of before, or else one that was there, too."""
        last_id = self._on.monster_id if self._on else None
        return min(
            under, key=lambda m: (m.monster_id != last_id, m.monster_id not in self._under), default=None
        )

    def _count_shots(self, tic: Tic, on: Monster | None) -> None:
        """A shot begins as the weapon is no longer ready; four tics later it takes ammunition.

        Both tell, and once: a scenario may give ammunition back at once, and a busy game may skip the few
        tics in which the weapon is ready.
        """
        last = self._last
        if last is None or tic.health <= 0 or tic.episode_s - self._shot_s < SHORTEST_CYCLE_S:
            return
        if not (tic.ammo < last.ammo or (last.is_ready and not tic.is_ready)):
            return
        self._shot_s = tic.episode_s
        self.episode.shots += 1
        if on is None:
            self.episode.shots_off += 1
        elif self._on_s is not None:
            self.episode.on_to_shot_s.append(tic.episode_s - self._on_s)
            self._on_s = None

    def _count_leaving(self, tic: Tic, on: Monster | None) -> None:
        if self._on is None or self._last is None:
            return
        left = next((m for m in tic.monsters if m.monster_id == self._on.monster_id), None)
        if left is None or left.box is None or (on and on.monster_id == left.monster_id):
            return
        turn_deg = wrap_deg(self._last.angle_deg - tic.angle_deg)
        if on and on.monster_id in self._under:
            self.episode.crossed += 1
        elif turn_deg and self._would_cover(left.box, turn_deg):
            self.episode.overshoots += 1
        else:
            self.episode.walked_off += 1

    def _would_cover(self, box: Box, turn_deg: float) -> bool:
        """Whether the box would be under the crosshair, had the view not turned right by `turn_deg`."""
        left, right = (math.degrees(math.atan((x - self._x) / self._focal_px)) for x in (box[0], box[2]))
        return left + turn_deg <= 0 <= right + turn_deg

    def _time_approach(self, tic: Tic, on: Monster | None) -> None:
        """A monster that the crosshair comes back to is not reached a second time."""
        if on is None:
            self._on_s = None
            if not any(m.box for m in tic.monsters):
                self._seen_s = None
            elif self._seen_s is None:
                self._seen_s = tic.episode_s
            return
        if on.monster_id not in self._reached:
            self._reached.add(on.monster_id)
            self._on_s = tic.episode_s
            if self._seen_s is not None:
                self.episode.time_to_target_s.append(tic.episode_s - self._seen_s)
        self._seen_s = None


def summarize(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Totals over the episodes; `hit_rate` is hits a shot, and 0 without a shot."""

    def total(name: str) -> Any:
        return sum(getattr(episode, name) for episode in episodes)

    shots, hits, kills, seconds = (total(name) for name in ("shots", "hits", "kills", "seconds"))
    times = [t for e in episodes for t in e.time_to_target_s]
    waits = [t for e in episodes for t in e.on_to_shot_s]
    return {
        "seconds": round(seconds, 2),
        "kills": kills,
        "shots": shots,
        "shots_off": total("shots_off"),
        "hits": hits,
        "hit_rate": divide(hits, shots),
        "kills_a_minute": round(60 * kills / seconds, 2) if seconds else 0.0,
        "overshoots": total("overshoots"),
        "walked_off": total("walked_off"),
        "crossed": total("crossed"),
        "visible_share": divide(total("visible_s"), seconds),
        "on_target_share": divide(total("on_target_s"), total("visible_s")),
        "time_to_target_ms": to_ms(median(times)) if times else None,
        "time_to_target_p90_ms": to_ms(find_p90(times)),
        "on_to_shot_ms": to_ms(median(waits)) if waits else None,
        "deaths": total("died"),
        "game_fps": round(divide(total("pictures"), total("wall_s")), 2),
        "episodes": [asdict(e) for e in episodes],
    }


def divide(part: float, whole: float) -> float:
    """The share, to four places; 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0


def find_p90(values: Sequence[float]) -> float | None:
    """The 90th percentile, interpolated; None of nothing."""
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=10, method="inclusive")[8]


def to_ms(seconds: float | None) -> float | None:
    """Milliseconds to a tenth."""
    return None if seconds is None else round(1e3 * seconds, 1)
