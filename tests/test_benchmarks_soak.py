"""The long run's figures."""

import threading
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aimbot.commands.benchmark import read_frames
from aimbot.config import load_settings
from benchmarks import soak
from benchmarks.soak import Minutes


def watch(minutes: Minutes, seconds: int, age_ms: float, fps: int = 50, began_s: int = 0) -> None:
    for index in range(seconds * fps):
        moved_ns = began_s * 10**9 + index * 10**9 // fps
        stamps = SimpleNamespace(moved_ns=moved_ns, captured_ns=moved_ns - round(age_ms * 1e6))
        minutes.observe(cast(Any, SimpleNamespace(stamps=stamps)))


def test_each_minute_that_has_passed_has_its_figures() -> None:
    minutes = Minutes()
    watch(minutes, 61, age_ms=5.0)
    watch(minutes, 60, age_ms=9.0, began_s=61)
    assert minutes.fps == pytest.approx([50, 50], rel=0.01)
    assert minutes.age_p50_ms == minutes.age_p99_ms == [5.0, 9.0]
    assert len(minutes.rss_mib) == len(minutes.threads) == 2


@pytest.mark.parametrize(("per_minute", "expected"), [(0.0, 0.0), (0.5, 30.0)])
def test_the_slope_is_that_of_an_hour(per_minute: float, expected: float) -> None:
    assert soak.fit_slope([100 + per_minute * index for index in range(20)]) == pytest.approx(expected)
    assert soak.fit_slope([100.0]) is None


def test_a_thread_that_is_left_and_a_latency_that_grew_are_told() -> None:
    minutes, before, stop = Minutes(), set(threading.enumerate()), threading.Event()
    noise = count()
    minutes.fps = [50.0] * 20
    minutes.rss_mib = [100.0] * 20
    minutes.threads = [9] * 20
    minutes.age_p50_ms = [5.0 + next(noise) % 3 / 10 for _ in range(20)]
    minutes.age_p99_ms = [7.0] * 10 + [9.0] * 10
    left = threading.Thread(target=stop.wait, name="left over")
    left.start()
    try:
        summary = {"frames": 60000, "loop_fps": 50.0, "age_at_move_ms": {}}
        result = soak.describe(minutes, summary, before)
    finally:
        stop.set()
        left.join()
    assert result["threads_left"] == ["left over"]
    assert (result["age_p50"]["changed"], result["age_p99"]["changed"]) == (False, True)
    soak.print_table(result)


def test_a_short_run_leaves_no_thread() -> None:
    result = soak.run(load_settings("doom"), read_frames(None), seconds=1.0)
    assert result["frames"] > 0
    assert result["threads_left"] == []
    assert (result["rss_slope_mib_an_hour"], result["age_p50"]) == (None, None)
