"""The assistant beside a game on cores that other work wants, too: with `loop.adaptive` and without."""

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from types import TracebackType
from typing import Any, Self

import psutil
from rich.console import Console
from rich.table import Table

from aimbot.config import Settings
from aimbot.levels import Levels, open_levels
from arena.score import divide, summarize
from benchmarks.arena.run import EMPTY_S, Part, Track, play
from capture.clock import monotonic_ns, sleep_s

MODES = ("fixed", "adaptive")
QUIET_S, LOADED_S, RECOVERY_S = 8.0, 12.0, 25.0  # the first includes the game's start, of some 3 s
COLUMNS = {
    "game_fps": "game FPS",
    "loop_fps": "loop FPS",
    "age_p50_ms": "age p50, ms",
    "age_p99_ms": "p99",
    "stale_share": "stale",
    "kills_a_minute": "kills/min",
    "hit_rate": "hit rate",
    "time_to_target_ms": "to target, ms",
    "recall": "recall",
    "busy_cores": "cores for the busy",
}
GAINS = ("game_fps", "loop_fps", "age_p50_ms", "age_p99_ms", "stale_share", "kills_a_minute", "busy_cores")


class Busy:
    """Processes that compute all the time, as the threads of a heavy game do."""

    def __init__(self, count: int) -> None:
        self._processes = [
            psutil.Popen([sys.executable, "-c", "while True: pass"], stdin=subprocess.DEVNULL)
            for _ in range(count)
        ]
        self._began_ns = monotonic_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def cores(self) -> float:
        """How many cores they have had, all together, in the mean since they began."""
        used_s = sum(sum(process.cpu_times()[:2]) for process in self._processes)
        return float(used_s * 1e9 / (monotonic_ns() - self._began_ns))


@dataclass(slots=True)
class Condition:
    """The games of one mode under one load; `samples` has the figures of each."""

    part: Part = field(default_factory=Part)
    samples: list[dict[str, float]] = field(default_factory=list)


def run(
    settings: Settings,
    busy: int,
    scenario: str,
    pairs: int,
    seconds: float,
    seed: int = 1,
    track: Track = iter,
) -> dict[str, Any]:
    """The JSON object of `benchmark load`, played on the present DISPLAY.

    rows: without and with `busy` processes, fixed and adaptive: kills over all games, of the rest medians;
    `games` has each. The two take turns at each seed, and who begins alternates. gains: adaptive over fixed,
    medians of the pairs' ratios. recovery: of one adaptive game for each pair, in which the load comes and
    goes, after how many seconds it was on its lowest level, and back on level 0.
    """
    opened = {mode: open_levels(set_mode(settings, mode)) for mode in MODES}
    conditions = {key: Condition() for key in product((0, busy), MODES)}
    recovery: list[dict[str, Any]] = []
    try:
        for number in track(range(pairs)):
            for count, mode in product((0, busy), MODES if number % 2 == 0 else MODES[::-1]):
                into = conditions[count, mode]
                play_beside(
                    set_mode(settings, mode), opened[mode], count, scenario, seed + number, seconds, into
                )
            recovery.append(
                watch_recovery(
                    set_mode(settings, "adaptive"), opened["adaptive"], busy, scenario, seed + number
                )
            )
    finally:
        for levels in reversed(opened.values()):  # detection/ladder.py says why
            levels.detector.close()
    return {
        "model": settings.detector.model,
        "scenario": scenario,
        "cores": psutil.cpu_count(),
        "target_ms": settings.loop.target_ms,
        "rows": [describe(*key, condition) for key, condition in conditions.items()],
        "gains": [
            find_gains(count, conditions[count, "fixed"].samples, conditions[count, "adaptive"].samples)
            for count in (0, busy)
        ],
        "recovery": recovery,
    }


def set_mode(settings: Settings, mode: str) -> Settings:
    """The settings with `loop.adaptive` as the mode says."""
    loop = settings.loop.model_copy(update={"adaptive": mode == "adaptive"})
    return settings.model_copy(update={"loop": loop})


def play_beside(
    settings: Settings,
    levels: Levels,
    count: int,
    scenario: str,
    seed: int,
    seconds: float,
    condition: Condition,
) -> None:
    """One game beside `count` busy processes; `condition` takes in what comes of it."""
    part, before = condition.part, len(condition.part.episodes)
    with Busy(count) as busy:
        play(settings, levels, scenario, "ours", seed, make_limits(seconds), part)
        busy_cores = busy.cores()
    loop, score = part.loops[-1], summarize(part.episodes[before:])
    condition.samples.append(
        {
            "game_fps": score["game_fps"],
            "loop_fps": loop["loop_fps"],
            **{f"age_{name}_ms": age for name, age in loop["age_at_move_ms"].items()},
            "stale_share": divide(loop["late"], loop["frames"]),
            "kills_a_minute": score["kills_a_minute"],
            "busy_cores": round(busy_cores, 3),
        }
    )


def watch_recovery(
    settings: Settings, levels: Levels, busy: int, scenario: str, seed: int
) -> dict[str, float | None]:
    """A game in which the load comes and goes: how soon the level followed each way; see `find_recovery`."""
    part, times_ns = Part(), list[int]()

    def come_and_go() -> None:
        sleep_s(QUIET_S)
        with Busy(busy):
            times_ns.append(monotonic_ns())
            sleep_s(LOADED_S)
        times_ns.append(monotonic_ns())

    load = threading.Thread(target=come_and_go, name="load")
    load.start()
    try:
        play(settings, levels, scenario, "ours", seed, make_limits(QUIET_S + LOADED_S + RECOVERY_S), part)
    finally:
        load.join()
    changes = [(at_ns, level) for at_ns, level in part.loops[0]["level_changes"]]
    return find_recovery(changes, times_ns[0], times_ns[1])


def make_limits(seconds: float) -> dict[str, float]:
    """Where a game ends: its episodes follow one another for so much game time."""
    return {"seconds": seconds, "empty-seconds": EMPTY_S}


def find_recovery(changes: Sequence[tuple[int, int]], came_ns: int, went_ns: int) -> dict[str, float | None]:
    """From the load's coming to the lowest level that it led to, and from its going to level 0, in seconds.

    changes: when a level was entered, and which. None where that did not happen.
    """
    loaded = [(at_ns, level) for at_ns, level in changes if came_ns <= at_ns < went_ns]
    lowest = max((level for _, level in loaded), default=0)
    settled = next((at_ns for at_ns, level in loaded if lowest and level == lowest), None)
    back = next((at_ns for at_ns, level in changes if at_ns >= went_ns and level == 0), None)
    return {
        "lowest_level": lowest,
        "settled_s": None if settled is None else round((settled - came_ns) / 1e9, 2),
        "recovered_s": None if back is None else round((back - went_ns) / 1e9, 2),
    }


def describe(count: int, mode: str, condition: Condition) -> dict[str, Any]:
    """A row: the score over all games, and medians over them of what each has by itself."""
    part, samples = condition.part, condition.samples
    medians = {name: round(median(one[name] for one in samples), 4) for name in samples[0]}
    return {
        "load": name_load(count),
        "mode": mode,
        **part.summary(),
        **{name: value for name, value in medians.items() if name != "kills_a_minute"},
        "levels": share_levels([loop.get("levels", []) for loop in part.loops]),
        "games": samples,
    }


def name_load(count: int) -> str:
    """What ran beside the game and the assistant."""
    return f"{count} busy" if count else "the game alone"


def share_levels(runs: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """The share of the time on each level, by its name."""
    seconds: dict[str, float] = {}
    for row in (row for run in runs for row in run):
        seconds[row["name"]] = seconds.get(row["name"], 0.0) + row["seconds"]
    return {name: divide(value, sum(seconds.values())) for name, value in seconds.items()}


def find_gains(
    count: int, fixed: Sequence[Mapping[str, float]], adaptive: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    """Adaptive over fixed: the median over the pairs of each ratio, of those that have no zero."""
    gains: dict[str, Any] = {"load": name_load(count)}
    for name in GAINS:
        ratios = [b[name] / a[name] for a, b in zip(fixed, adaptive, strict=True) if a[name]]
        gains[name] = round(median(ratios), 3) if ratios else None
    return gains


def print_table(result: Mapping[str, Any]) -> None:
    """A column for each load and mode, and how soon the level follows the load."""
    rows = result["rows"]
    title = f"load, {result['model']} in {result['scenario']}, {result['cores']} cores"
    table = Table("figure", *(f"{row['load']}, {row['mode']}" for row in rows), title=title)
    for name, label in COLUMNS.items():
        table.add_row(label, *(str(row[name]) for row in rows))
    for name in sorted({name for row in rows for name in row["levels"]}, key=str, reverse=True):
        table.add_row(f"time at {name}", *(f"{row['levels'].get(name, 0):.0%}" for row in rows))
    console = Console()
    console.print(table)
    for row in result["gains"]:
        ratios = ", ".join(f"{name} {row[name]}" for name in GAINS)
        console.print(f"{row['load']}, adaptive over fixed: {ratios}", markup=False)
    for row in result["recovery"]:
        console.print(
            f"the load came: level {row['lowest_level']} after {row['settled_s']} s; "
            f"it went: level 0 after {row['recovered_s']} s",
            markup=False,
        )
