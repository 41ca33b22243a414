"""Capture alone: from a drawing in a window to its frame, by the reports of drawing and by the time."""

import random
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from Xlib.display import Display

from aimbot.telemetry import percentiles
from capture.clock import monotonic_ns, sleep_s
from capture.source import CaptureSettings, open_source

SIZE_WH = (640, 480)
PLACE_XY_PX = (300, 220)
SQUARE_PX = 32
PICTURE_S = 1 / 35  # as ViZDoom draws
SETTLED = 10  # pictures left out: the first ones find cold caches


class Painter:
    """A window with a square that turns white and black, 35 times a second, from a thread."""

    def __init__(self, seed: int) -> None:
        """Open it in the upper left corner of the present DISPLAY."""
        self.drawn_ns: list[int] = []  # when each picture was sent to the server
        self._random = random.Random(seed)
        self._display = Display()
        screen = self._display.screen()
        self._window = screen.root.create_window(
            0, 0, *SIZE_WH, 0, screen.root_depth, background_pixel=screen.black_pixel, override_redirect=True
        )
        self._window.map()
        self._brushes = [
            self._window.create_gc(foreground=colour) for colour in (screen.white_pixel, screen.black_pixel)
        ]
        self._display.sync()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="painter")
        self._thread.start()

    def close(self) -> None:
        """Join the thread, and close the window."""
        self._closed.set()
        self._thread.join()
        self._display.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            sleep_s(PICTURE_S * self._random.uniform(0.8, 1.2))
            brush = self._brushes[len(self.drawn_ns) % 2]
            self.drawn_ns.append(monotonic_ns())
            # One request a picture, so that none is seen half drawn.
            self._window.fill_rectangle(brush, *PLACE_XY_PX, SQUARE_PX, SQUARE_PX)
            self._display.sync()


def run(pictures: int, max_hz: float = 240.0) -> dict[str, Any]:
    """The JSON object of `benchmark capture`; on the present DISPLAY.

    drawn_to_frame_ms: from a picture on its way to the server to its frame. cpu_share: of one core, the
    painter's part included.
    """
    return {"rows": [measure(on_damage, pictures, max_hz) for on_damage in (True, False)]}


def measure(on_damage: bool, pictures: int, max_hz: float, seed: int = 1) -> dict[str, Any]:
    """The row of one way to know when to look."""
    region = f"0,0,{SIZE_WH[0]},{SIZE_WH[1]}"
    settings = CaptureSettings(region=region, max_hz=max_hz, on_damage=on_damage)
    process = psutil.Process()
    came_ns: list[int] = []
    with closing(open_source(settings, monotonic_ns)) as source, closing(Painter(seed)) as painter:
        begun_ns, cpu_s = monotonic_ns(), sum(process.cpu_times()[:2])
        while len(came_ns) < pictures + SETTLED and source.grab() is not None:
            came_ns.append(monotonic_ns())
        elapsed_s = (monotonic_ns() - begun_ns) / 1e9
        cpu_s = sum(process.cpu_times()[:2]) - cpu_s
        looks = len(came_ns) + source.unchanged
    latencies_ms = list(iterate_latencies_ms(painter.drawn_ns, came_ns[SETTLED:]))
    return {
        "look": "when drawn" if on_damage else "by the time",
        "samples": len(latencies_ms),
        "drawn_to_frame_ms": percentiles(latencies_ms),
        "latencies_ms": [round(latency, 4) for latency in latencies_ms],
        "looks_per_s": round(looks / elapsed_s, 1),
        "cpu_share": round(cpu_s / elapsed_s, 3),
    }


def iterate_latencies_ms(drawn_ns: list[int], came_ns: list[int]) -> Iterator[float]:
    """For each frame the time since the last drawing before it; the first frame of a drawing counts alone."""
    drawn = iter(drawn_ns)
    next_ns, last_ns = next(drawn, None), None
    for frame_ns in came_ns:
        is_first = False
        while next_ns is not None and next_ns <= frame_ns:
            last_ns, next_ns, is_first = next_ns, next(drawn, None), True
        if is_first and last_ns is not None:
            yield (frame_ns - last_ns) / 1e6


def print_table(result: dict[str, Any]) -> None:
    """One line a way to look."""
    table = Table("look", "drawn to frame p50, ms", "p99", "looks / s", "CPU, cores", title="capture")
    for row in result["rows"]:
        latency = row["drawn_to_frame_ms"]
        values = [latency.get("p50"), latency.get("p99"), row["looks_per_s"], row["cpu_share"]]
        table.add_row(row["look"], *map(str, values))
    Console().print(table)
