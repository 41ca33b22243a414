"""A game in process: the range's own room, and a clock that looking moves on."""

from collections.abc import Callable

import numpy as np

from aimbot.calibration.probe import Probe
from aimbot.safety import Gates, SafetyEnvelope, SafetySettings
from arena.panorama import Camera, Gaze, Picture, paint_panorama
from arena.range import DelayedGaze, RangeSettings, draw_hud, draw_targets
from capture.frame import Frame, Region

FRAME_NS = 10_000_000
PANORAMA = paint_panorama()


class FakeGame:
    """A mailbox and a pointer: every `take` is the next frame, 10 ms later.

    answer: what the game makes of (dx, dy): counts that its gaze takes. None: it takes them as they are.
    """

    def __init__(
        self,
        settings: RangeSettings,
        answer: Callable[[int, int], tuple[int, int]] | None = None,
        size_wh: tuple[int, int] = (320, 240),
    ) -> None:
        self.settings = settings
        self.now_ns = 1_000_000_000
        self.gaze = DelayedGaze(settings)
        self.armed = True
        self.focused_from_ns = 0
        self._answer = answer or (lambda dx, dy: (dx, dy))
        self._camera = Camera(PANORAMA, size_wh, settings.fov_deg)
        self._frames = 0
        self._seen: tuple[Gaze, Picture] | None = None
        self.sent = np.zeros(2, int)

    def clock(self) -> int:
        return self.now_ns

    @property
    def ended(self) -> bool:
        return False

    def take(self, timeout_s: float) -> Frame:
        self.now_ns += FRAME_NS
        self._frames += 1
        gaze = self.gaze.look(self.now_ns)
        if self._seen is None or self._seen[0] != gaze:
            self._seen = gaze, self.draw_world(gaze)
        pixels = self._seen[1].copy()
        draw_targets(pixels, self.settings, gaze, self.now_ns / 1e9)
        draw_hud(pixels)
        height, width = pixels.shape[:2]
        return Frame(pixels, self.now_ns, self._frames, Region(0, 0, width, height))

    def draw_world(self, gaze: Gaze) -> Picture:
        """What this gaze sees, but for targets and HUD."""
        return self._camera.render(gaze)

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        self.sent += (dx_counts, dy_counts)
        self.gaze.move(*self._answer(dx_counts, dy_counts), self.now_ns)
        return dx_counts, dy_counts

    @property
    def focused(self) -> bool:
        return self.now_ns >= self.focused_from_ns

    def pause(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def press(self) -> bool:
        raise AssertionError("a calibration fires nothing")

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass


def open_probe(game: FakeGame, guard: Callable[[], None] = lambda: None) -> Probe:
    envelope = SafetyEnvelope(
        game,
        SafetySettings(),
        80.0,
        game.clock,
        lambda: Gates(game.armed, game.focused),
    )
    return Probe(game, envelope, game.clock, game.pause, guard=guard)
