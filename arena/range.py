"""A first-person range in a window: a room of blocks, drifting targets, and a mouse that turns the view.

`python -m arena.range` is a second game to measure in, of another engine family than Doom's: it turns truly
in perspective on both axes, and its sensitivity, field of view and latency are what its command line says.
"""

import argparse
import json
import math
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import pygame

from arena.panorama import Camera, Gaze, Picture, paint_panorama
from capture.clock import monotonic_ns

WINDOW_TITLE = "Aim range"
PITCH_LIMIT_DEG = 85.0
TARGET_DEG_PER_S = 20.0
HUD_BGR, TARGET_BGR = (40, 200, 40), (30, 30, 220)


@dataclass(frozen=True, slots=True)
class RangeSettings:
    """What the range is to measure like."""

    fov_deg: float = 90.0
    yaw_deg_per_count: float = 0.05
    pitch_deg_per_count: float = 0.05
    added_latency_ms: float = 0.0
    fps: float = 60.0
    targets: int = 2
    size_wh: tuple[int, int] = (640, 480)
    captured: bool = True
    """Whether the mouse is captured; else the view ends where the pointer leaves the window."""


class DelayedGaze:
    """A gaze that follows the mouse's counts, `added_latency_ms` later."""

    def __init__(self, settings: RangeSettings) -> None:
        self._settings = settings
        self._waiting: deque[tuple[int, int, int]] = deque()
        self.gaze = Gaze(0.0, 0.0)

    def move(self, dx_counts: int, dy_counts: int, now_ns: int) -> None:
        """Take a motion of the mouse."""
        self._waiting.append((now_ns + round(self._settings.added_latency_ms * 1e6), dx_counts, dy_counts))

    def look(self, now_ns: int) -> Gaze:
        """The gaze now: the yaw has no end, the pitch stops short of straight up and down."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, dx, dy = self._waiting.popleft()
            pitch = self.gaze.pitch_deg + dy * self._settings.pitch_deg_per_count
            yaw = self.gaze.yaw_deg + dx * self._settings.yaw_deg_per_count
            self.gaze = Gaze(yaw, min(max(pitch, -PITCH_LIMIT_DEG), PITCH_LIMIT_DEG))
        return self.gaze


def draw_targets(picture: Picture, settings: RangeSettings, gaze: Gaze, seconds: float) -> None:
    """Discs that drift around the room at eye level, each at its own speed."""
    width, height = settings.size_wh
    focal = width / 2 / math.tan(math.radians(settings.fov_deg) / 2)
    for number in range(settings.targets):
        yaw_deg = 40.0 * number - 20 + TARGET_DEG_PER_S * (1 + 0.5 * number) * seconds
        turn = math.radians((yaw_deg - gaze.yaw_deg + 180) % 360 - 180)
        pitch = math.radians(gaze.pitch_deg)
        depth = math.cos(turn) * math.cos(pitch)
        if depth > 0.1:
            x = focal * math.sin(turn) / depth
            y = -focal * math.cos(turn) * math.sin(pitch) / depth
            centre = (round(width / 2 + x), round(height / 2 + y))
            cv2.circle(picture, centre, 26, TARGET_BGR, cv2.FILLED, cv2.LINE_AA)


def draw_hud(picture: Picture) -> None:
    """What stays in its place while the view turns: a crosshair, and a bar with a weapon's stead."""
    height, width = picture.shape[:2]
    cv2.drawMarker(picture, (width // 2, height // 2), HUD_BGR, cv2.MARKER_CROSS, 12, 1)
    cv2.rectangle(picture, (0, height - height // 12), (width, height), (50, 50, 60), cv2.FILLED)
    cv2.putText(picture, "HEALTH 100", (12, height - 12), cv2.FONT_HERSHEY_SIMPLEX, 0.7, HUD_BGR, 2)
    stock = np.array([[0.55, 1], [0.6, 0.72], [0.68, 0.72], [0.8, 1]]) * (width, height)
    cv2.fillPoly(picture, [np.asarray(stock, np.int32)], (60, 70, 80), cv2.LINE_AA)


def play(settings: RangeSettings, seconds: float) -> None:
    """Show the range on the present DISPLAY until its window is closed, Escape, or the end of the time."""
    pygame.display.init()
    try:
        screen = pygame.display.set_mode(settings.size_wh)
        pygame.display.set_caption(WINDOW_TITLE)
        pygame.event.set_grab(settings.captured)
        pygame.mouse.set_visible(not settings.captured)  # both: SDL's relative mode, motion without an end
        camera = Camera(paint_panorama(), settings.size_wh, settings.fov_deg)
        gaze, ticks, started_ns = DelayedGaze(settings), pygame.time.Clock(), monotonic_ns()
        print(json.dumps({"event": "ready", "window": WINDOW_TITLE}), flush=True)
        while (now_ns := monotonic_ns()) - started_ns < seconds * 1e9:
            for event in pygame.event.get():
                if event.type == pygame.QUIT or (
                    event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE
                ):
                    return
                if event.type == pygame.MOUSEMOTION:
                    gaze.move(event.rel[0], event.rel[1], now_ns)
            seen = gaze.look(now_ns)
            picture = camera.render(seen)
            draw_targets(picture, settings, seen, (now_ns - started_ns) / 1e9)
            draw_hud(picture)
            size = settings.size_wh
            screen.blit(pygame.image.frombuffer(picture.tobytes(), size, "BGR"), (0, 0))
            pygame.display.flip()
            ticks.tick(settings.fps)
    finally:
        pygame.display.quit()


def main() -> None:
    """Command line of the range's process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=math.inf)
    for name in ("fov-deg", "yaw-deg-per-count", "pitch-deg-per-count", "added-latency-ms", "fps"):
        field = name.replace("-", "_")
        parser.add_argument(f"--{name}", type=float, default=getattr(RangeSettings(), field))
    parser.add_argument("--targets", type=int, default=RangeSettings().targets)
    parser.add_argument("--captured", action=argparse.BooleanOptionalAction, default=RangeSettings().captured)
    arguments = vars(parser.parse_args())
    seconds = arguments.pop("seconds")
    play(RangeSettings(**arguments), seconds)


if __name__ == "__main__":
    main()
