"""`tune`: settings of the aim for a wish, found in the simulated game."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np

from aimbot.aimer import AimSettings
from aimbot.session_facts import SessionFacts
from benchmarks.aim.plant import WIDEST_DEG, PlantSettings
from benchmarks.aim.search import INADMISSIBLE, Measure, Scores, Track, descend, replace_at, take_back
from benchmarks.aim.trial import Map, Outcome, Simulation, average, mean_share, read_point

Wish = Literal["fast", "calm"]
WISHES: tuple[Wish, ...] = ("fast", "calm")

# What is searched, below `aim`: from as good as nothing to more than anybody wants.
GRID: dict[str, tuple[float, ...]] = {
    "controller.smoothing_s": (0.0, 0.015, 0.03, 0.05, 0.08, 0.12, 0.18),
    "controller.dead_zone_share": (0.0, 0.1, 0.25, 0.4, 0.55),
    "tracker.agility_deg_per_s": (3.0, 6.0, 10.0, 20.0, 40.0),
    "tracker.start_speed_deg_per_s": (4.0, 8.0, 15.0, 30.0, 60.0),
    "tracker.coast_s": (0.05, 0.1, 0.15, 0.25, 0.4),
    "selector.switch_margin_deg": (1.0, 2.0, 4.0, 8.0, 16.0),
    "selector.switch_after_s": (0.0, 0.1, 0.2, 0.4),
}
ROUNDS = 2
SECOND_IS_WORTH = 0.1  # of on-target share: so the share comes first, and the time decides between equals
CALM_KEEPS = 0.9  # of the on-target share that the fast settings have
HASTE_DEG_PER_S = 1000.0  # a peak speed that counts as much as one hop
FRESH_SEEDS = 5000  # the first of the seeds on which nothing was searched


def make_plant(
    aim: AimSettings, facts: SessionFacts | None = None, frame_hz: float | None = None
) -> PlantSettings:
    """The game that a profile and a session tell of; what neither does is as `PlantSettings` has it.

    frame_hz: instead of the session's, or of that which the profile's wait for a picture means. A game
    without vertical look is played as if it had one of yaw's step: the scenes are at several heights.
    """
    view, tracker = aim.view, aim.tracker
    told = 500 / view.display_jitter_ms if view.display_jitter_ms else PlantSettings().frame_hz
    hz = frame_hz or (facts.frame_hz if facts else told)
    yaw = view.yaw_deg_per_count
    plant = PlantSettings(
        frame_hz=hz,
        dead_time_ms=view.shown_after_ns / 1e6,
        deg_per_count=(yaw, view.pitch_deg_per_count or yaw),
    )
    if facts is None:
        return plant
    return replace(
        plant,
        jitter_ms=min(facts.jitter_ms, 500 / hz),
        detector_ms=facts.detector_ms,
        noise_px=tracker.noise_px * facts.noise_factor,
        noise_share=(tracker.noise_share_x * facts.noise_factor, tracker.noise_share_y * facts.noise_factor),
        missed_share=facts.missed_share,
        false_share=facts.false_share,
        target_deg_per_s=facts.speed_deg_per_s,
    )


def tune(
    aim: AimSettings,
    plant: PlantSettings,
    wish: Wish,
    seeds: int = 4,
    play_all: Map = map,
    track: Track = iter,
    grid: Mapping[str, Sequence[float]] = GRID,
) -> dict[str, Any]:
    """What to change in `aim`, what each change does, and how all together do where nothing was searched.

    Both wishes look for the fast settings first: calm ones have to keep a part of what these reach.
    """
    aim = make_neutral(aim)
    start = read_point(aim, grid)
    searched = Simulation(aim, plant, list(grid), range(seeds), play_all)
    measure = measure_fast(searched)
    found = descend(grid, start, measure, ROUNDS, track)
    if wish == "calm":
        measure = measure_calm(searched, CALM_KEEPS * mean_share(searched.outcomes([found])[0]))
        found = descend(grid, found, measure, ROUNDS, track)
    found = take_back(start, found, measure)
    fresh = Simulation(aim, plant, list(grid), range(FRESH_SEEDS, FRESH_SEEDS + 2 * seeds), play_all)
    changed = [axis for axis, value in enumerate(start) if found[axis] != value]
    points = [start, found, *(replace_at(found, axis, start[axis]) for axis in changed)]
    before, after, *without = (average(outcomes) for outcomes in fresh.outcomes(points))
    names = [f"aim.{name}" for name in grid]
    return {
        "wish": wish,
        "plant": asdict(plant),
        "points": len(searched.known),
        "seeds": {"searched": seeds, "fresh": 2 * seeds},
        "before": before,
        "after": after,
        "searched": {
            "before": average(searched.known[start]),
            "after": average(searched.known[found]),
        },
        "changes": [
            {"name": names[axis], "from": start[axis], "to": found[axis], "without": figures}
            for axis, figures in zip(changed, without, strict=True)
        ],
    }


def measure_fast(simulation: Simulation) -> Measure:
    """On-target share, less a point for each 100 ms to the target."""
    return lambda points: [
        np.array([one.on_target_share - SECOND_IS_WORTH * one.time_s for one in outcomes])
        for outcomes in simulation.outcomes(points)
    ]


def measure_calm(simulation: Simulation, least_share: float) -> Measure:
    """Path ratio, swing at rest in degrees, hops and peak speed in thousands of degrees a second: the less
    of their sum, the better, as long as the on-target share is at least so much.
    """

    def rate(outcomes: Sequence[Outcome]) -> Scores:
        if mean_share(outcomes) < least_share:
            return np.full(len(outcomes), INADMISSIBLE)
        return -np.array(
            [
                one.path_ratio + one.swing_deg + one.hops + one.peak_deg_per_s / HASTE_DEG_PER_S
                for one in outcomes
            ]
        )

    return lambda points: [rate(outcomes) for outcomes in simulation.outcomes(points)]


def make_neutral(aim: AimSettings) -> AimSettings:
    """The settings without those that say what may be a target: in the simulation all are."""
    everything = {
        "classes": (),
        "priority": (),
        "aim_points": {},
        "exclude": (),
        "fov_radius_deg": WIDEST_DEG[0],
    }
    selector = aim.selector.model_copy(update=everything)
    return aim.model_copy(update={"selector": selector})
