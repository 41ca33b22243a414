"""Pixel to mouse: from a lit square in a window to the motion that a client gets, through the whole loop."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from aimbot.assistant import RunPlan, run_assistant
from aimbot.config import Settings
from aimbot.hotkeys import Person
from aimbot.pointer import Pointer, open_pointer
from aimbot.telemetry import percentiles
from arena.lamp import GRID_PX
from arena.process import EventProcess
from benchmarks.pointer import MovingPointer
from capture.clock import monotonic_ns
from capture.frame import Frame
from capture.source import open_source
from detection.detections import Detections
from detection.detector import Detector

BRIGHT = 128
SETTLED_FLASHES = 20  # left out: the first ones find cold caches
OVERRIDES = (
    "aim.view.fov_deg=90",
    "aim.view.yaw_deg_per_count=0.25",
    "aim.view.pitch_deg_per_count=0.25",
    "aim.view.display_latency_ms=40",  # for so long a lit square is not moved for again
    "aim.view.display_jitter_ms=0",
    "aim.selector.fov_radius_deg=90",
    "aim.selector.aim_point=[0.5,0.5]",
    "aim.tracker.coast_s=0",
    "aim.controller.smoothing_s=0",
    "aim.controller.max_speed_deg_per_s=100000",
    "aim.controller.dead_zone_deg=0",
    "aim.controller.dead_zone_share=0",
    "capture.crop_px=whole",
    "capture.max_hz=1000",
)


class LampDetector:
    """Finds the lit square; with a real detector inside, as late as that would have answered."""

    class_names = ("lamp",)

    def __init__(self, inside: Detector | None) -> None:
        self._inside = inside
        self.input_size_wh = inside.input_size_wh if inside else (640, 480)
        self.detect_ms: list[float] = []

    def detect(self, frame: Frame) -> Detections:
        """The lit square's box, on a grid of GRID_PX."""
        begun_ns = monotonic_ns()
        if self._inside:
            self._inside.detect(frame)
        rows, columns = np.nonzero(frame.pixels[::GRID_PX, ::GRID_PX, 1] > BRIGHT)
        box = (
            [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
            if len(rows)
            else np.empty((0, 4))
        )
        xyxy = np.asarray(box, np.float32) * GRID_PX
        if len(rows):
            self.detect_ms.append((monotonic_ns() - begun_ns) / 1e6)
        return Detections(xyxy, np.ones(len(xyxy), np.float32), np.zeros(len(xyxy), np.int32))

    def close(self) -> None:
        """Nothing to close: the detector inside stays open."""


class LampProcess(EventProcess):
    """`python -m arena.lamp`: what came of each flash."""

    def __init__(self, flashes: int, seed: int) -> None:
        self.flashes: list[dict[str, Any]] = []
        super().__init__("arena.lamp", ["--flashes", str(flashes), "--seed", str(seed)])

    def take(self, kind: str, event: dict[str, Any]) -> None:
        """Keep a flash."""
        if kind == "flash":
            self.flashes.append(event)


class NotingPointer(MovingPointer):
    """A pointer that keeps what it was told to send, and when."""

    def __init__(self, pointer: Pointer) -> None:
        super().__init__(pointer)
        self.moves: list[tuple[int, int, int]] = []

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        """Send, and note it."""
        applied = super().move(dx_counts, dy_counts)
        self.moves.append((monotonic_ns(), *applied))
        return applied


def run(settings: Settings, inside: Detector | None, flashes: int, seed: int = 1) -> dict[str, Any]:
    """The row of one detector; on the present DISPLAY, whose pointer moves.

    settings: with OVERRIDES. pixel_to_mouse_ms is from the lit square to the arrived motion, latencies_ms all
    of these; delta_mismatches counts motions that arrived otherwise than sent; missed, flashes without any.
    """
    detector = LampDetector(inside)
    with LampProcess(flashes + SETTLED_FLASHES, seed) as lamp:
        lamp.wait_ready()
        pointer = NotingPointer(open_pointer())
        source = open_source(settings.capture, monotonic_ns)
        plan = RunPlan(
            settings,
            source,
            detector,
            pointer,
            Person(settings.hotkeys.model_copy(update={"arm": "always"})),
            finished=lambda: lamp.over,
        )
        lamp.go()
        summary = run_assistant(plan)
    shown = lamp.flashes[SETTLED_FLASHES:]
    seen = [event for event in shown if event["latency_ms"] is not None]
    latencies_ms = [event["latency_ms"] for event in seen]
    return {
        "samples": len(seen),
        "missed": len(shown) - len(seen),
        "delta_mismatches": sum(not was_sent(event, pointer.moves) for event in seen),
        "pixel_to_mouse_ms": percentiles(latencies_ms),
        "latencies_ms": [round(latency, 4) for latency in latencies_ms],
        "detect_ms": percentiles(detector.detect_ms),
        "age_at_move_ms": summary["age_at_move_ms"],
        "loop_fps": summary["loop_fps"],
    }


def was_sent(event: dict[str, Any], moves: list[tuple[int, int, int]]) -> bool:
    """Whether the motion that arrived for a flash is the first that was sent for it."""
    first = next((move for move in moves if move[0] >= event["lit_ns"]), None)
    return first is not None and first[1:] == (event["dx_counts"], event["dy_counts"])


def print_table(result: dict[str, Any]) -> None:
    """One line a detector."""
    table = Table(
        "detector", "p50, ms", "p95", "p99", "detect p50", "delta mismatches", "missed", title="latency"
    )
    for row in result["rows"]:
        latency, detect = row["pixel_to_mouse_ms"], row["detect_ms"]
        values = [latency.get("p50"), latency.get("p95"), latency.get("p99"), detect.get("p50")]
        table.add_row(row["detector"], *map(str, [*values, row["delta_mismatches"], row["missed"]]))
    Console().print(table)
