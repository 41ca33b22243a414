"""The screen as a source: a monitor, a region, or a window that is followed as it moves."""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import mss
import numpy as np
from mss.exception import ScreenShotError

from capture.clock import Clock
from capture.damage import DrawingWatch, open_damage
from capture.errors import UserError
from capture.frame import Frame, Pixels, Region
from capture.source import CaptureSettings, parse_region
from capture.window import DisplayGone, Window, WindowGone, find_window

FOLLOW_PERIOD_NS = 100_000_000
MSS_ERRORS = (ScreenShotError, AssertionError)  # the second where no reply came


class ScreenSource:
    """Looks at the screen up to `max_hz` times a second, and emits what differs from the frame before.

    Where the system reports what is drawn it looks only then: sooner after the drawing than by the time, and
    without taking the processor from the detector meanwhile.

    Frames are (H, W, 4) BGRA, alpha undefined, over the screenshot's own memory, numbered from 0 without
    gaps. What of a window lies outside the screen is black, so that the crosshair stays in the middle; while
    all of it does, `grab` waits. A region is cut to the screen. A screen that changes its size is read anew.
    """

    def __init__(self, settings: CaptureSettings, clock: Clock) -> None:
        """UserError if what the settings name does not exist, or is outside the screen."""
        self.window: Window | None = None
        self.unchanged = 0
        self.gone = False
        self._settings, self._clock = settings, clock
        self._period_ns = int(1e9 / settings.max_hz)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._screen: Any = None
        self._followed: Window | None = None
        self._monitor: int | None = None
        self.whole: Region
        self._bounds: Region
        self._check_settings()
        self._watch = DrawingWatch(open_damage() if settings.on_damage else None)
        self._due_ns = self._followed_ns = clock()
        self._next_id = 0
        self._last: Frame | None = None
        self._repeat_ns = round(settings.repeat_s * 1e9)
        self._last_raw = bytearray()

    def grab(self) -> Frame | None:
        """The next frame that shows something new; None once closed, or when the window is gone.

        UserError when the display is gone, or can no longer be read.
        """
        with self._lock, _blame_screen():
            try:
                while self._await_turn():
                    frame = self._look()
                    if frame is not None:
                        return frame
            except DisplayGone:
                raise
            except WindowGone:
                self.gone = True
                self._closed.set()
                self._watch.close()  # its reports would pile up unread
            return None

    def close(self) -> None:
        """Let a waiting `grab` return, and close the connections."""
        self._closed.set()
        with self._lock:
            self._watch.close()
            self._close_screen()
            for window in (self._followed, self.window):
                if window is not None:
                    window.close()
            self._followed = self.window = None

    def _close_screen(self) -> None:
        """Close mss, once only: it says when the display was gone, and frees its connection all the same."""
        screen, self._screen = self._screen, None
        if screen is not None:
            with suppress(*MSS_ERRORS):
                screen.close()

    def _await_turn(self) -> bool:
        """Wait until the next look is due; False once closed."""
        now_ns = self._clock()
        turn_ns = max(self._due_ns, now_ns)
        self._closed.wait((turn_ns - now_ns) / 1e9)
        if not self._closed.is_set() and self._watch.wait(self._until_repeat_s()):
            turn_ns = max(turn_ns, self._clock())
        self._due_ns = turn_ns + self._period_ns
        return not self._closed.is_set()

    def _until_repeat_s(self) -> float:
        """How long until the last frame is to be emitted again."""
        if not self._repeat_ns or self._last is None:
            return math.inf
        return (self._last.captured_ns + self._repeat_ns - self._clock()) / 1e9

    def _look(self) -> Frame | None:
        """One screenshot as a frame, or None if it shows nothing new."""
        if self._screen is None:
            self._connect()
        try:
            return self._shoot()
        except MSS_ERRORS:
            self._connect()  # the screen may have a new size
            return self._shoot()

    def _shoot(self) -> Frame | None:
        region = self._locate()
        seen = region.clamp_to(self._bounds)
        if seen is None:
            return None
        captured_ns = self._clock()
        raw = self._screen.grab(_as_box(seen)).raw
        last = self._last
        if last is not None and region == last.region and raw == self._last_raw:  # bytearrays: a memcmp
            self.unchanged += 1
            if not self._repeat_ns or captured_ns - last.captured_ns < self._repeat_ns:
                return None
            pixels = last.pixels  # the same array: whoever sees it again knows that nothing is new
        else:
            self._last_raw = raw
            self._watch.found_new()
            pixels = np.frombuffer(raw, np.uint8).reshape(seen.height_px, seen.width_px, 4)
            if seen != region:
                pixels = _pad(pixels, seen, region)
        self._last = Frame(pixels, captured_ns, self._next_id, region)
        self._next_id += 1
        return self._last

    def _locate(self) -> Region:
        """What to look at now; some of it may be outside the screen."""
        now_ns = self._clock()
        if self._followed is not None and now_ns >= self._followed_ns:
            self.whole = self._followed.region()
            self._followed_ns = now_ns + FOLLOW_PERIOD_NS
        crop = self._settings.crop_px
        return self.whole if isinstance(crop, str) else self.whole.crop_centre(*crop)

    def _connect(self) -> None:
        """Open the connections of the thread that grabs."""
        self._close_screen()
        self._screen = _open_screen(self._settings.backend)
        monitors = _read_monitors(self._screen)
        self._bounds = monitors[0]
        if self._monitor is not None and self._monitor < len(monitors):
            self.whole = monitors[self._monitor]
        if self.window is not None and self._followed is None:
            self._followed = self.window.reconnect()

    def _check_settings(self) -> None:
        """Find what the settings name, over connections of the thread that opens the source."""
        with _blame_screen(), _open_screen(self._settings.backend) as screen:
            monitors = _read_monitors(screen)
        self._bounds = monitors[0]
        if self._settings.window is not None:
            self.window = find_window(self._settings.window)
            self.whole, name = self.window.region(), f"window {self.window.title!r}"
        elif self._settings.region is not None:
            asked = parse_region(self._settings.region)
            self.whole, name = asked.clamp_to(self._bounds) or asked, "region"
        else:
            index = 1 if self._settings.monitor is None else self._settings.monitor
            if not 0 <= index < len(monitors):
                there = ", ".join(f"{number} ({region})" for number, region in enumerate(monitors))
                raise UserError(f"expected a monitor that exists, got {index}; there are {there}")
            self.whole, name, self._monitor = monitors[index], f"monitor {index}", index
        if self._locate().clamp_to(self._bounds) is None:
            if self.window is not None:
                self.window.close()
            raise UserError(
                f"expected a {name} on the screen ({self._bounds}), got {self.whole}; move it there"
            )


def _open_screen(backend: str) -> Any:
    return mss.MSS(backend="default" if backend == "auto" else backend)


@contextmanager
def _blame_screen() -> Iterator[None]:
    """UserError for a screen that cannot be opened or read."""
    try:
        yield
    except MSS_ERRORS as error:
        found = os.environ.get("DISPLAY")
        came = f"DISPLAY={found} failed" if found else "DISPLAY is not set"
        reason = str(error).partition("\n")[0] or "it does not answer"
        raise UserError(
            f"expected a screen, {came} ({reason}); start from a desktop, or under xvfb-run"
        ) from error


def _read_monitors(screen: Any) -> list[Region]:
    """All monitors together, then each."""
    return [Region(box["left"], box["top"], box["width"], box["height"]) for box in screen.monitors]


def _pad(pixels: Pixels, seen: Region, region: Region) -> Pixels:
    """The pixels of `seen` in their place within `region`, which is black besides."""
    padded = np.zeros((region.height_px, region.width_px, 4), np.uint8)
    top, left = seen.top_px - region.top_px, seen.left_px - region.left_px
    padded[top : top + seen.height_px, left : left + seen.width_px] = pixels
    return padded


def _as_box(region: Region) -> dict[str, int]:
    return {
        "left": region.left_px,
        "top": region.top_px,
        "width": region.width_px,
        "height": region.height_px,
    }
