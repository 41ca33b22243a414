"""Loop efficiency: the whole loop's speed over that of `detect` alone, on the same frames, in turns."""

import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, cycle, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from aimbot.aimer import Aimer
from aimbot.config import Settings
from aimbot.loop import AimLoop
from aimbot.pointer import NullPointer, Pointer
from aimbot.safety import Gates, SafetyEnvelope
from aimbot.telemetry import Stamps, Telemetry, percentiles
from benchmarks import flame
from capture.clock import Clock, monotonic_ns, sleep_s
from capture.frame import Frame
from capture.grabber import Grabber
from capture.source import FrameSource
from detection.detector import Detector, open_detector

ROUNDS = 24
FRAMES_A_ROUND = 30
COUNTED = 400  # frames to count allocations over
CALL_NS = 2_000_000  # from one look at the clock to the next, then: a dozen milliseconds a frame


class Feed:
    """Recorded frames as a live source: each grab copies the pixels, as a screen's does, and is stamped."""

    def __init__(self, frames: Sequence[Frame], max_hz: float) -> None:
        self._frames, self._period_s = frames, 1 / max_hz
        self._closed = threading.Event()
        self._next_id = 0

    def grab(self) -> Frame | None:
        """The next frame, at the pace at which a screen is polled."""
        sleep_s(self._period_s)
        if self._closed.is_set():
            return None
        shown = self._frames[self._next_id % len(self._frames)]
        frame = Frame(shown.pixels.copy(), monotonic_ns(), self._next_id, shown.region)
        self._next_id += 1
        return frame

    def close(self) -> None:
        """End the feed."""
        self._closed.set()


def run(
    settings: Settings,
    frames: Sequence[Frame],
    pointer: Pointer | None = None,
    chart: Path | None = None,
    open_feed: Callable[[], FrameSource] | None = None,
) -> dict[str, Any]:
    """The JSON object of `benchmark loop`; medians over alternating rounds.

    open_feed: opens what the loop captures in a round; default: a `Feed` of the frames.
    loop_fps is from a round's first frame to its last: to start the capture is no part of it. overhead_ms:
    per frame, the time of the loop's thread outside the network. chart: a PNG for one frame's flame chart.
    """
    open_feed = open_feed or partial(Feed, frames, settings.capture.max_hz)
    detector = open_detector(settings.detector)
    for frame in frames[:20]:
        detector.detect(frame)
    pointer = pointer or NullPointer()
    alone: list[float] = []
    whole: list[float] = []
    rounds: list[list[Stamps]] = []
    for _ in range(ROUNDS):
        alone.append(time_detector(detector, frames))
        fps, stamps = time_loop(detector, settings, open_feed(), pointer)
        whole.append(fps)
        rounds.append(stamps)
    allocations = count_allocations(detector, settings, frames)
    detector.close()
    if chart:
        flame.plot([one for stamps in rounds for one in stamps], chart)
    ratios = np.array(whole) / np.array(alone)
    return {
        "model": settings.detector.model,
        "frames": ROUNDS * FRAMES_A_ROUND,
        "detect_fps": round(float(np.median(alone)), 2),
        "loop_fps": round(float(np.median(whole)), 2),
        "loop_efficiency": round(float(np.median(ratios)), 4),
        "overhead_ms": percentiles((ms for stamps in rounds for ms in _overheads_ms(stamps)), (50, 99)),
        "allocations": allocations,
        "rounds": [
            {"detect_fps": round(a, 2), "loop_fps": round(b, 2), "loop_efficiency": round(b / a, 4)}
            for a, b in zip(alone, whole, strict=True)
        ],
    }


def time_detector(detector: Detector, frames: Sequence[Frame]) -> float:
    """Frames a second of `detect` alone, on pixels as freshly copied as the loop's."""
    elapsed_ns = 0
    for index in range(FRAMES_A_ROUND):
        shown = frames[index % len(frames)]
        frame = replace(shown, pixels=shown.pixels.copy())
        started_ns = monotonic_ns()
        detector.detect(frame)
        elapsed_ns += monotonic_ns() - started_ns
    return FRAMES_A_ROUND * 1e9 / elapsed_ns


def time_loop(
    detector: Detector, settings: Settings, feed: FrameSource, pointer: Pointer
) -> tuple[float, list[Stamps]]:
    """Frames a second of capture thread, loop and pointer, and each frame's stamps; closes the feed."""
    telemetry = Telemetry()
    loop = make_loop(detector, settings, pointer, telemetry, monotonic_ns)
    grabber = Grabber(feed, monotonic_ns)
    stamps: list[Stamps] = []
    try:
        loop.run(grabber, lambda: len(stamps) > FRAMES_A_ROUND, lambda step: stamps.append(step.stamps))
    finally:
        grabber.close()
    return telemetry.fps, stamps


def make_loop(
    detector: Detector, settings: Settings, pointer: Pointer, telemetry: Telemetry, clock: Clock
) -> AimLoop:
    """The loop as a run makes it, armed and with the game in focus."""
    envelope = SafetyEnvelope(
        pointer, settings.safety, settings.loop.budget_ms, clock, lambda: Gates(True, True)
    )
    return AimLoop(detector, Aimer(settings.aim, detector.class_names), envelope, telemetry, clock)


def count_allocations(detector: Detector, settings: Settings, frames: Sequence[Frame]) -> dict[str, float]:
    """What Python allocates for a frame, with no other thread at work.

    The loop's time goes on evenly, however fast the detector is: what is kept for a time is kept for so many
    frames, fewer than go before the count.
    kept_blocks: by which the blocks in use grow, a frame, with telemetry that keeps one. peak_kib: the most
    in use within a frame, over what was before it, in the median; the pixels were there before.
    """
    clock = count(0, CALL_NS).__next__
    loop = make_loop(detector, settings, NullPointer(), Telemetry(kept=1), clock)
    stream = (replace(one, captured_ns=clock(), frame_id=n) for n, one in enumerate(cycle(frames)))
    for frame in islice(stream, COUNTED):
        loop.step(frame)
    gc.collect()
    before = sys.getallocatedblocks()
    for frame in islice(stream, COUNTED):
        loop.step(frame)
    gc.collect()
    kept = sys.getallocatedblocks() - before
    peaks = []
    tracemalloc.start()
    try:
        for frame in islice(stream, COUNTED):
            tracemalloc.reset_peak()
            used = tracemalloc.get_traced_memory()[0]
            loop.step(frame)
            peaks.append(tracemalloc.get_traced_memory()[1] - used)
    finally:
        tracemalloc.stop()
    return {
        "kept_blocks": round(kept / COUNTED, 3),
        "peak_kib": round(float(np.median(peaks)) / 1024, 1),
    }


def _overheads_ms(stamps: Sequence[Stamps]) -> Iterator[float]:
    """From one frame's end to the next one's, less the time in the network."""
    for before, after in pairwise(stamps):
        yield (after.moved_ns - before.moved_ns - (after.detected_ns - after.taken_ns)) / 1e6


def print_table(result: dict[str, Any], console: Console | None = None) -> None:
    """For people."""
    table = Table("figure", "value", title="loop")
    for name in ("model", "detect_fps", "loop_fps", "loop_efficiency"):
        table.add_row(name, str(result[name]))
    table.add_row(
        "overhead p50 / p99, ms", f"{result['overhead_ms']['p50']} / {result['overhead_ms']['p99']}"
    )
    kept, peak = result["allocations"]["kept_blocks"], result["allocations"]["peak_kib"]
    table.add_row("a frame's Python blocks kept / KiB at most", f"{kept} / {peak}")
    (console or Console()).print(table)
