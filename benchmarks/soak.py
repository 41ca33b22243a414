"""A long run at full speed: whether its memory, its latency and its threads stay as they were."""

import gc
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from aimbot.assistant import RunPlan, run_assistant
from aimbot.commands.demo import play
from aimbot.config import Settings
from aimbot.hotkeys import Person
from aimbot.levels import open_levels
from aimbot.loop import Step
from aimbot.pointer import NullPointer, Pointer
from benchmarks.compare import compare_samples
from benchmarks.loop import Feed
from capture.frame import Frame

MINUTE_NS = 60_000_000_000
MOST_FPS = 1000
COMPARED = 10  # minutes, of the first and of the last
MIB = 2**20


@dataclass(slots=True)
class Minutes:
    """Takes each frame's age in, and keeps of each minute that has passed its figures.

    Over MOST_FPS a minute's percentiles are those of its last frames.
    """

    rss_mib: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)
    age_p50_ms: list[float] = field(default_factory=list)
    age_p99_ms: list[float] = field(default_factory=list)
    _ages_ms: np.ndarray[Any, np.dtype[np.float64]] = field(
        default_factory=lambda: np.full(60 * MOST_FPS, 0.0)  # written, so that its memory is there
    )
    _frames: int = 0
    _began_ns: int | None = None

    def observe(self, step: Step) -> None:
        """One frame."""
        stamps = step.stamps
        if self._began_ns is None:
            self._began_ns = stamps.moved_ns
        elif stamps.moved_ns - self._began_ns >= MINUTE_NS:
            self._close(stamps.moved_ns)
        self._ages_ms[self._frames % len(self._ages_ms)] = (stamps.moved_ns - stamps.captured_ns) / 1e6
        self._frames += 1

    def _close(self, now_ns: int) -> None:
        """Enter a minute; the frame in which that happens is late by a millisecond or so."""
        assert self._began_ns is not None
        ages_ms = self._ages_ms[: self._frames]
        self.fps.append(self._frames * 1e9 / (now_ns - self._began_ns))
        self.age_p50_ms.append(float(np.percentile(ages_ms, 50)))
        self.age_p99_ms.append(float(np.percentile(ages_ms, 99)))
        process = psutil.Process()
        self.rss_mib.append(process.memory_info().rss / MIB)
        self.threads.append(process.num_threads())
        self._frames, self._began_ns = 0, now_ns


def run(
    settings: Settings, frames: Sequence[Frame], seconds: float, pointer: Pointer | None = None
) -> dict[str, Any]:
    """The JSON object of `benchmark soak`: a whole run on recorded frames, as fast as they are looked at."""
    levels = open_levels(settings)
    minutes, before = Minutes(), set(threading.enumerate())
    person = Person(settings.hotkeys.model_copy(update={"arm": "always"}))
    plan = RunPlan(
        settings,
        Feed(frames, settings.capture.max_hz),
        levels.detector,
        pointer or NullPointer(),
        person,
        seconds=seconds,
        governor=levels.governor,
        rungs=levels.rungs,
        observe=minutes.observe,
    )
    try:
        summary = run_assistant(plan)
    finally:
        levels.detector.close()
    return describe(minutes, summary, before)


def run_arena(settings: Settings, seconds: float, seed: int = 1) -> dict[str, Any]:
    """The same of a game that it plays on the present DISPLAY, at the speed of the game's pictures."""
    open_levels(settings).detector.close()  # OpenVINO starts a thread that stays for the process
    minutes, before = Minutes(), set(threading.enumerate())
    summary = play(settings, seconds, seed, None, minutes.observe)
    return describe(minutes, summary, before)


def describe(minutes: Minutes, summary: dict[str, Any], before: set[threading.Thread]) -> dict[str, Any]:
    """The figures of a run that is over.

    rss_slope_mib_an_hour: of a line through the minutes after the first, None for fewer than three.
    age_p50, age_p99: the first ten minutes' (or fewer) against the last as many, as `benchmark compare`
    tells them; None for fewer than five. threads_left: Python's, that were not there before. levels: with
    `loop.adaptive`, how long each was used; a change of level is one of latency, too. minutes: the figures
    of each that is whole; threads counts the system's, the network's among them.
    """
    gc.collect()
    compared = min(COMPARED, len(minutes.fps) // 2)
    changes = {
        name: compare_ends(getattr(minutes, f"{name}_ms"), compared) for name in ("age_p50", "age_p99")
    }
    return {
        "frames": summary["frames"],
        "loop_fps": summary["loop_fps"],
        "age_at_move_ms": summary["age_at_move_ms"],
        "rss_slope_mib_an_hour": fit_slope(minutes.rss_mib[1:]),
        **changes,
        "threads_left": sorted(thread.name for thread in set(threading.enumerate()) - before),
        "levels": summary.get("levels", []),
        "minutes": {
            name: [round(value, 3) for value in getattr(minutes, name)]
            for name in ("rss_mib", "threads", "fps", "age_p50_ms", "age_p99_ms")
        },
    }


def fit_slope(by_minute: Sequence[float]) -> float | None:
    """Of the least squares' line, an hour; None for fewer than two values."""
    if len(by_minute) < 2:
        return None
    return round(60 * float(np.polyfit(np.arange(len(by_minute)), by_minute, 1)[0]), 3)


def compare_ends(by_minute: Sequence[float], count: int) -> dict[str, Any] | None:
    """The last `count` minutes against the first as many; None for fewer than five."""
    if count < 5:
        return None
    first, last = np.array(by_minute[:count]), np.array(by_minute[-count:])
    return compare_samples("", first, last, np.random.default_rng(1))


def print_table(result: dict[str, Any], console: Console | None = None) -> None:
    """For people."""
    table = Table("figure", "value", title="soak")
    memory = result["minutes"]["rss_mib"]
    table.add_row("frames", str(result["frames"]))
    table.add_row("loop FPS", str(result["loop_fps"]))
    table.add_row("resident memory, first and last minute, MiB", f"{memory[:1]} {memory[-1:]}")
    table.add_row("slope after the first minute, MiB an hour", str(result["rss_slope_mib_an_hour"]))
    for name in ("age_p50", "age_p99"):
        if row := result[name]:
            verdict = "changed" if row["changed"] else "within noise"
            table.add_row(
                f"{name}, first minutes, last, ms", f"{row['old']:.2f}, {row['new']:.2f}: {verdict}"
            )
    threads = result["minutes"]["threads"]
    table.add_row("threads, first and last minute", f"{threads[:1]} {threads[-1:]}")
    table.add_row("Python threads left", ", ".join(result["threads_left"]) or "none")
    for row in result["levels"]:
        table.add_row(f"on {row['name']}, s", f"{row['seconds']}")
    (console or Console()).print(table)
