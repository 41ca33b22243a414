"""A simulated game and display: counts go in late, merged and now and then lost; pictures come out late."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aimbot.ledger import TimedMove
from benchmarks.aim.targets import SPEED_DEG_PER_S, XY, Walker
from detection.detections import Detections

SIZE_WH = (640, 480)
FOV_DEG = 90.0
FOCAL_PX = SIZE_WH[0] / 2 / math.tan(math.radians(FOV_DEG) / 2)
NS = 1e9
WIDEST_DEG = (50.0, 42.0)  # beyond it no part of a target is in the picture


@dataclass(frozen=True, slots=True)
class PlantSettings:
    """A game, its display, and what the detector makes of it.

    dead_time_ms: from a count sent to its pixels captured, without the wait for the game's next picture; half
    on the way in, half on the way out. The noise is that of doom-nano on validation frames (docs/aim.md).
    """

    frame_hz: float = 60.0
    dead_time_ms: float = 20.0
    jitter_ms: float = 2.0
    deg_per_count: XY = (0.022, 0.022)
    drop_share: float = 0.002
    detector_ms: float = 8.0
    noise_px: float = 0.6
    noise_share: XY = (0.04, 0.02)
    missed_share: float = 0.05
    false_share: float = 0.03
    hand_deg_per_s: float = 0.0
    hand_is_shown: bool = False
    target_deg_per_s: float = SPEED_DEG_PER_S

    @property
    def latency_ms(self) -> float:
        """What calibration would find: the mean, with the wait."""
        return self.dead_time_ms + self.wait_ms

    def hand_deg(self, t: float) -> float:
        """The person's own turning as the picture has it: slow to and fro."""
        return self.hand_deg_per_s / (2 * math.pi * 0.5) * math.sin(2 * math.pi * 0.5 * t)

    def list_hand_moves(self, first_s: float, last_s: float) -> list[TimedMove]:
        """What the system shows of the hand after one time and up to another: a mouse of 1000 Hz."""
        ms = range(math.floor(first_s * 1e3), math.floor(last_s * 1e3) + 1)
        way_in_s = self.dead_time_ms / 2e3
        at = [round(self.hand_deg(t / 1e3 + way_in_s) / self.deg_per_count[0]) for t in ms]
        moves = zip(ms[1:], at[1:], at, strict=False)
        return [TimedMove(t * 1_000_000, now - before, 0) for t, now, before in moves if now != before]

    @property
    def wait_ms(self) -> float:
        """Half of the time between two pictures."""
        return 500 / self.frame_hz


@dataclass(frozen=True, slots=True)
class Picture:
    """What one capture shows; true_deg are the bearings from the crosshair of all targets there."""

    captured_ns: int
    detections: Detections
    tick_s: float
    true_deg: NDArray[np.float64]
    walkers: list[Walker]
    view_deg: XY


@dataclass(slots=True)
class Plant:
    """Runs tick by tick; the caller sends counts between them."""

    settings: PlantSettings
    walkers: Sequence[Walker]
    rng: np.random.Generator
    view_deg: XY = (0.0, 0.0)
    tick: int = 0
    _queue: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def time_s(self) -> float:
        """Of the next tick."""
        return self.tick / self.settings.frame_hz

    def send(self, sent_s: float, dx_counts: int, dy_counts: int) -> None:
        """Counts on their way in; now and then one move is lost."""
        if (dx_counts or dy_counts) and self.rng.random() >= self.settings.drop_share:
            self._queue.append((sent_s + self._delay_s(), dx_counts, dy_counts))

    def advance(self) -> Picture:
        """One tick: take in what has come, turn the view, draw; the picture and when it can be captured."""
        now = self.time_s
        arrived = [move for move in self._queue if move[0] <= now]
        self._queue = [move for move in self._queue if move[0] > now]
        yaw, pitch = self.settings.deg_per_count
        hand = self._turn_by_hand_deg(now) if self.tick else 0.0
        self.view_deg = (
            self.view_deg[0] + sum(move[1] for move in arrived) * yaw + hand,
            self.view_deg[1] + sum(move[2] for move in arrived) * pitch,
        )
        there = [walker for walker in self.walkers if walker.from_s <= now < walker.until_s]
        true = np.array([walker.motion(now) for walker in there]).reshape(-1, 2) - self.view_deg
        captured_ns = round((now + self._delay_s()) * NS)
        self.tick += 1
        return Picture(captured_ns, self._detect(true, there), now, true, there, self.view_deg)

    def _delay_s(self) -> float:
        jitter = self.rng.uniform(-1, 1) * self.settings.jitter_ms / 2
        return max(self.settings.dead_time_ms / 2 + jitter, 0.0) / 1e3

    def _turn_by_hand_deg(self, now: float) -> float:
        return self.settings.hand_deg(now) - self.settings.hand_deg(now - 1 / self.settings.frame_hz)

    def _detect(self, true_deg: NDArray[np.float64], walkers: Sequence[Walker]) -> Detections:
        rng, settings = self.rng, self.settings
        boxes, confidences = [], []
        for bearing, walker in zip(true_deg, walkers, strict=True):
            if (np.abs(bearing) > WIDEST_DEG).any() or rng.random() < settings.missed_share:
                continue
            near, far = (project_deg(bearing + sign * np.array(walker.half_deg)) for sign in (-1, 1))
            size = far - near
            noise = rng.normal(0, settings.noise_px + np.array(settings.noise_share) * size)
            box = np.concatenate([near + noise, far + noise])
            if box[2] > 0 and box[0] < SIZE_WH[0]:
                boxes.append(box)
                confidences.append(rng.uniform(0.6, 0.95))
        if rng.random() < settings.false_share:
            centre, half = rng.uniform((40, 100), (600, 380)), rng.uniform(8, 25, 2)
            boxes.append(np.concatenate([centre - half, centre + half]))
            confidences.append(rng.uniform(0.35, 0.6))
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(confidences, np.float32),
            np.zeros(len(boxes), np.int32),
        )


def project_deg(bearing_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """A bearing from the crosshair, yaw and pitch, in pixels of the picture."""
    x, y = np.radians(bearing_deg)
    return (
        np.array([math.tan(x), math.tan(y) * math.hypot(1, math.tan(x))]) * FOCAL_PX + np.array(SIZE_WH) / 2
    )
