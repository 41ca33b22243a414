"""Settings on trial: the episodes that they play, and single numbers of each."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from itertools import product

import numpy as np
from pydantic import BaseModel

from aimbot.aimer import AimSettings
from benchmarks.aim.episode import SECONDS, Figures, play
from benchmarks.aim.laws import Law, Ours
from benchmarks.aim.plant import NS, Picture, PlantSettings
from benchmarks.aim.search import Point
from benchmarks.aim.targets import TARGETS

Task = tuple[AimSettings, PlantSettings, str, int]
Map = Callable[[Callable[[Task], "Outcome"], Iterable[Task]], Iterable["Outcome"]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One episode; `episode.Figures` says what most of it means.

    time_s: the mean over its targets, the whole episode's length for one that is never met. swing_deg: 0
    where the target does not stand still. peak_deg_per_s: the fastest turn that one command asked for.
    """

    on_target_share: float
    time_s: float
    overshoot: float
    path_ratio: float
    hops: float
    swing_deg: float
    peak_deg_per_s: float


class Watched(Ours):
    """Ours, and how fast it turns the view at the most."""

    def __init__(self, plant: PlantSettings, aim: AimSettings) -> None:
        super().__init__(plant, aim)
        self._plant = plant
        self._last_ns: int | None = None
        self.peak_deg_per_s = 0.0

    def steer(self, picture: Picture, now_ns: int) -> tuple[int, int]:
        """As ours; the time of a command is that from picture to picture."""
        counts = super().steer(picture, now_ns)
        yaw, pitch = self._plant.deg_per_count
        since_s = (picture.captured_ns - self._last_ns) / NS if self._last_ns else 1 / self._plant.frame_hz
        self._last_ns = picture.captured_ns
        speed = math.hypot(counts[0] * yaw, counts[1] * pitch) / max(since_s, 1e-3)
        self.peak_deg_per_s = max(self.peak_deg_per_s, speed)
        return counts


@dataclass(slots=True)
class Simulation:
    """Plays points of the grid in one plant, each in the same episodes, and none of them twice."""

    aim: AimSettings
    plant: PlantSettings
    names: Sequence[str]
    seeds: Sequence[int]
    play_all: Map = map
    known: dict[Point, list[Outcome]] = field(default_factory=dict)

    def outcomes(self, points: Sequence[Point]) -> list[list[Outcome]]:
        """For each point, its episodes: every scene with every seed."""
        new = [point for point in dict.fromkeys(points) if point not in self.known]
        episodes = list(product(TARGETS, self.seeds))
        tasks = [
            (apply_point(self.aim, point, self.names), self.plant, target, seed)
            for point in new
            for target, seed in episodes
        ]
        results = list(self.play_all(play_task, tasks))
        for index, point in enumerate(new):
            self.known[point] = results[index * len(episodes) : (index + 1) * len(episodes)]
        return [self.known[point] for point in points]


def mean_share(outcomes: Sequence[Outcome]) -> float:
    """The on-target share over episodes."""
    return float(np.mean([one.on_target_share for one in outcomes]))


def play_task(task: Task) -> Outcome:
    """One episode: settings, plant, scene and seed."""
    aim, plant, target, seed = task
    laws: list[Watched] = []

    def make(settings: PlantSettings) -> Law:
        laws.append(Watched(settings, aim))
        return laws[0]

    return summarize(play(make, plant, target, seed), target, laws[0].peak_deg_per_s)


def summarize(figures: Figures, target: str, peak_deg_per_s: float) -> Outcome:
    """An episode's figures as single numbers that have a mean."""
    return Outcome(
        figures.on_target_share,
        float(np.mean(np.minimum(figures.time_to_target_s, SECONDS))),
        float(np.mean(figures.overshoots)) if figures.overshoots else 0.0,
        figures.path_ratio,
        float(figures.hops),
        figures.swing_deg if target == "still" else 0.0,
        peak_deg_per_s,
    )


def average(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Means over episodes; the swing is that of the scenes that have one."""
    rows = [asdict(one) for one in outcomes]
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return {**means, "swing_deg": means["swing_deg"] * len(TARGETS)}


def read_point(aim: AimSettings, names: Iterable[str]) -> Point:
    """The values of dotted names."""
    return tuple(float(reduce(getattr, name.split("."), aim)) for name in names)  # type: ignore[arg-type]


def apply_point(aim: AimSettings, point: Point, names: Iterable[str]) -> AimSettings:
    """The settings with these values."""
    changes: dict[str, dict[str, float]] = {}
    for name, value in zip(names, point, strict=True):
        group, key = name.split(".")
        changes.setdefault(group, {})[key] = value
    groups: dict[str, BaseModel] = {
        group: getattr(aim, group).model_copy(update=values) for group, values in changes.items()
    }
    return aim.model_copy(update=groups)
