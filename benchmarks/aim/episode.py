"""One episode of a law in the plant, and its figures."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aimbot.target import XY
from benchmarks.aim.laws import LawMaker
from benchmarks.aim.plant import NS, Picture, Plant, PlantSettings
from benchmarks.aim.targets import Walker, make_scene

SECONDS = 3.0
STEP_S = 0.4  # overshoot is looked for this long after the target is met
REST_S = 1.0  # the end of an episode, in which a crosshair on a still target has to rest


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one episode, or of several together.

    on_target_share: of all ticks at which a target is there. time_to_target_s: for each target, inf for one
    that is never met. overshoots: how far beyond the target, as a share of the way to it. rms_error_deg:
    once it is met. path_ratio: the crosshair's way over the shortest. hops: from one target to another that
    is there as well. swing_deg: from end to end of the crosshair's motion in the last second. jerk_deg: by
    how much the turn from a picture to the next differs from the one before, RMS over the pictures in which
    the view turns.
    """

    on_target_share: float
    time_to_target_s: list[float]
    overshoots: list[float]
    rms_error_deg: float
    path_ratio: float
    hops: int
    swing_deg: float
    jerk_deg: float


def play(make: LawMaker, settings: PlantSettings, target: str, seed: int) -> Figures:
    """One episode; whenever the detector is free it takes the newest picture, or waits for the next."""
    rng = np.random.default_rng(seed)
    plant = Plant(settings, make_scene(target, rng, SECONDS, settings.target_deg_per_s), rng)
    law, log, free_s = make(settings), Log(), 0.0
    while plant.time_s < SECONDS:
        for sent_s, dx_counts, dy_counts in law.moves_until(plant.time_s):
            plant.send(sent_s, dx_counts, dy_counts)
        picture = plant.advance()
        log.add(picture, law.chosen)
        captured_s = picture.captured_ns / NS
        if free_s - captured_s > 1 / settings.frame_hz:
            continue  # when the detector is free there is a newer one
        free_s = max(captured_s, free_s) + settings.detector_ms / 1e3 * rng.uniform(0.9, 1.2)
        plant.send(free_s, *law.steer(picture, round(free_s * NS)))
    return log.summarize(settings)


@dataclass(slots=True)
class Meeting:
    """The time with one target: its errors by tick, and which of them are inside its box."""

    walker: Walker
    begun_s: float
    errors_deg: list[XY] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class Log:
    """What a law did, tick by tick."""

    meetings: list[Meeting] = field(default_factory=list)
    views_deg: list[XY] = field(default_factory=list)
    ways_deg: float = 0.0
    ticks: int = 0
    on_target: int = 0
    hops: int = 0
    _chosen: Walker | None = None

    def add(self, picture: Picture, chosen: Walker | None) -> None:
        """One tick; of several targets the one is met that the crosshair is nearest to."""
        self.views_deg.append(picture.view_deg)
        if chosen is not self._chosen and chosen is not None:
            self.hops += self._chosen in picture.walkers
            self._chosen = chosen
        if not picture.walkers:
            return
        half = np.array([walker.half_deg for walker in picture.walkers])
        inside = np.all(np.abs(picture.true_deg) <= half, axis=1).tolist()
        self.ticks += 1
        self.on_target += any(inside)
        nearest = int(np.argmin(np.hypot(*picture.true_deg.T)))
        walker = picture.walkers[nearest]
        known = {id(meeting.walker) for meeting in self.meetings}
        if not self.meetings or (len(picture.walkers) == 1 and id(walker) not in known):
            self.meetings.append(Meeting(walker, picture.tick_s))
        x, y = picture.true_deg[nearest].tolist()
        self.meetings[-1].errors_deg.append((x, y))
        self.meetings[-1].inside.append(inside[nearest])

    def summarize(self, settings: PlantSettings) -> Figures:
        """The figures of the episode."""
        errors, times, overshoots, shortest = [], [], [], 0.0
        for meeting in self.meetings:
            way = np.array(meeting.errors_deg)
            first = meeting.inside.index(True) if any(meeting.inside) else None
            times.append(np.inf if first is None else first / settings.frame_hz)
            shortest += float(np.hypot(*way[0]))
            if first is not None:
                errors.append(way[first:])
                window = way[first : first + round(STEP_S * settings.frame_hz)]
                overshoots.append(measure_overshoot(way[0], window))
        view = np.array(self.views_deg)
        walked = sum(
            measure_way([meeting.walker.motion(t / 100) for t in range(round(SECONDS * 100))])
            for meeting in self.meetings[:1]
        )
        rest = view[-round(REST_S * settings.frame_hz) :]
        return Figures(
            self.on_target / max(self.ticks, 1),
            times,
            overshoots,
            float(np.sqrt((np.concatenate(errors) ** 2).sum(axis=1).mean())) if errors else np.inf,
            measure_way(view) / max(shortest + walked, 1e-9),
            self.hops,
            float(np.ptp(rest, axis=0).max()),
            measure_jerk(view),
        )


def measure_overshoot(first_deg: NDArray[np.float64], errors_deg: NDArray[np.float64]) -> float:
    """How far errors lie beyond 0 in the direction of the first, as a share of it."""
    size = float(np.hypot(*first_deg))
    return max(0.0, float((-errors_deg @ first_deg).max()) / size**2) if size else 0.0


def measure_way(points_deg: "NDArray[np.float64] | list[XY]") -> float:
    """Length of a path."""
    return float(np.hypot(*np.diff(np.asarray(points_deg), axis=0).T).sum())


def measure_jerk(views_deg: NDArray[np.float64]) -> float:
    """RMS of the changes of the turn from one picture to the next, where it turns at all."""
    turns = np.diff(views_deg, axis=0)
    changes = np.hypot(*np.diff(turns, axis=0).T)
    turning = (np.hypot(*turns[1:].T) > 0) | (np.hypot(*turns[:-1].T) > 0)
    return float(np.sqrt((changes[turning] ** 2).mean())) if turning.any() else 0.0


def pool(figures: list[Figures]) -> Figures:
    """Means of shares and errors, all times and overshoots together."""
    return Figures(
        float(np.mean([one.on_target_share for one in figures])),
        [time for one in figures for time in one.time_to_target_s],
        [over for one in figures for over in one.overshoots],
        float(np.sqrt(np.mean([one.rms_error_deg**2 for one in figures]))),
        float(np.median([one.path_ratio for one in figures])),
        sum(one.hops for one in figures),
        float(np.median([one.swing_deg for one in figures])),
        float(np.median([one.jerk_deg for one in figures])),
    )
