"""What steers in the simulation: ours, an oracle, and the laws that such tools use."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from aimbot.aimer import Aimer, AimSettings
from aimbot.ledger import CountLedger
from aimbot.target import XY, Target
from aimbot.view import ViewSettings
from benchmarks.aim.plant import FOCAL_PX, FOV_DEG, NS, SIZE_WH, Picture, PlantSettings
from benchmarks.aim.targets import Walker
from capture.frame import Frame, Region

Sent = tuple[float, int, int]
"""When counts were sent, in seconds, and how many."""

GLANCE_S = 1e-3
NEAR_DEG = 5.0


class Law(Protocol):
    """Makes counts of a picture; `chosen` is which target of the scene it aims at, or None."""

    chosen: Walker | None

    def steer(self, picture: Picture, now_ns: int) -> tuple[int, int]:
        """Counts to send at `now_ns`."""

    def moves_until(self, time_s: float) -> list[Sent]:
        """What was sent between pictures by then, and not told yet."""


class OneMove:
    """A law that sends one move for a picture, and none between."""

    def moves_until(self, time_s: float) -> list[Sent]:
        """None."""
        return []


class Ours(OneMove):
    """The assistant's own selector and controller, told the latency that calibration would find."""

    def __init__(self, plant: PlantSettings, aim: AimSettings) -> None:
        yaw, pitch = plant.deg_per_count
        view = ViewSettings(
            fov_deg=FOV_DEG,
            yaw_deg_per_count=yaw,
            pitch_deg_per_count=pitch,
            display_latency_ms=plant.latency_ms,
            display_jitter_ms=plant.wait_ms,
        )
        self.aimer = Aimer(aim.model_copy(update={"view": view}), ["target"])
        self.chosen: Walker | None = None
        self._pixels = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        self._number = 0
        self._plant, self._told_s = plant, 0.0

    def steer(self, picture: Picture, now_ns: int) -> tuple[int, int]:
        """Select and steer as the loop does."""
        frame = Frame(self._pixels, picture.captured_ns, self._number, Region(0, 0, *SIZE_WH))
        self._number += 1
        if self._plant.hand_is_shown:
            self.aimer.turned(self._plant.list_hand_moves(self._told_s, now_ns / NS))
            self._told_s = now_ns / NS
        target = self.aimer.select(frame, picture.detections)
        self.chosen = find_walker(picture, target.aim_xy_px) if target else None
        return self._move(frame, target, now_ns)

    def _move(self, frame: Frame, target: Target | None, now_ns: int) -> tuple[int, int]:
        command = self.aimer.steer(frame, target, now_ns)
        self.aimer.applied(now_ns, command.dx_counts, command.dy_counts)
        return command.dx_counts, command.dy_counts


class Oracle(OneMove):
    """Knows where its target is and how it moves, as late as the picture is, and which counts were lost."""

    def __init__(self, plant: PlantSettings) -> None:
        self._plant = plant
        self.ledger = CountLedger()
        self.chosen: Walker | None = None

    def steer(self, picture: Picture, now_ns: int) -> tuple[int, int]:
        """All of the error that is left when these counts show."""
        if not picture.walkers:
            self.chosen = None
            return 0, 0
        if self.chosen not in picture.walkers or len(picture.walkers) > 1:
            self.chosen = choose_nearest(picture, self.chosen)
        assert self.chosen is not None
        lead_s = (now_ns - picture.captured_ns) / NS + self._plant.latency_ms / 1e3
        here, soon = (self.chosen.motion(picture.tick_s + dt) for dt in (0.0, GLANCE_S))
        shown_ns = picture.captured_ns - round(self._plant.dead_time_ms * 1e6)
        shown = self.ledger.total_at(shown_ns)
        counts = [
            round((at + (then - at) / GLANCE_S * lead_s - view) / scale - (total - old))
            for at, then, view, scale, total, old in zip(
                here, soon, picture.view_deg, self._plant.deg_per_count, self.ledger.total, shown, strict=True
            )
        ]
        self.ledger.add(now_ns, counts[0], counts[1])
        return counts[0], counts[1]


@dataclass(slots=True)
class Pid(OneMove):
    """Pixels of error to counts, as it is seen, with no thought of what is on its way."""

    plant: PlantSettings
    kp: float
    ki: float = 0.0
    kd: float = 0.0
    keep: float = 0.0
    chosen: Walker | None = None
    _sum: XY = (0.0, 0.0)
    _last: XY | None = None
    _smoothed: XY = (0.0, 0.0)
    _unsent: XY = field(default=(0.0, 0.0))

    def steer(self, picture: Picture, now_ns: int) -> tuple[int, int]:
        """The nearest box to the crosshair, each time anew."""
        boxes = picture.detections.xyxy_px
        if not len(boxes):
            self.chosen, self._last = None, None
            return 0, 0
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        offsets = centres - np.array(SIZE_WH) / 2
        index = int(np.argmin(np.hypot(*offsets.T)))
        self.chosen = find_walker(picture, (float(centres[index, 0]), float(centres[index, 1])))
        error = tuple(math.degrees(math.atan(value / FOCAL_PX)) for value in offsets[index].tolist())
        last = self._last or error
        x, y = (
            self._control(axis, error[axis], last[axis]) / self.plant.deg_per_count[axis] for axis in (0, 1)
        )
        self._last = (error[0], error[1])
        wanted = (x + self._unsent[0], y + self._unsent[1])
        counts = (round(wanted[0]), round(wanted[1]))
        self._unsent = (wanted[0] - counts[0], wanted[1] - counts[1])
        return counts

    def _control(self, axis: int, error: float, last: float) -> float:
        total, smoothed = list(self._sum), list(self._smoothed)
        total[axis] = max(-30.0, min(30.0, total[axis] + error))
        smoothed[axis] = self.keep * smoothed[axis] + (1 - self.keep) * error
        self._sum, self._smoothed = (total[0], total[1]), (smoothed[0], smoothed[1])
        return self.kp * smoothed[axis] + self.ki * total[axis] + self.kd * (error - last)


def proportional(plant: PlantSettings) -> Law:
    """Four tenths of the error, every picture."""
    return Pid(plant, kp=0.4)


def average(plant: PlantSettings) -> Law:
    """An exponential moving average of the error that keeps 0.85 of its past."""
    return Pid(plant, kp=1.0, keep=0.85)


LawMaker = Callable[[PlantSettings], Law]


def find_walker(picture: Picture, xy_px: XY) -> Walker | None:
    """The target that a point of the picture stands for: the nearest, if it is near at all."""
    x, y = ((value - half / 2) / FOCAL_PX for value, half in zip(xy_px, SIZE_WH, strict=True))
    at = math.degrees(math.atan(x)), math.degrees(math.atan2(y, math.hypot(1, x)))
    off = np.hypot(*(picture.true_deg - at).T)
    index = int(np.argmin(off)) if len(off) else -1
    return picture.walkers[index] if index >= 0 and off[index] <= NEAR_DEG else None


def choose_nearest(picture: Picture, locked: Walker | None, margin_deg: float = 4.0) -> Walker:
    """The nearest, with the same hold on the one before as ours has."""
    distances = np.hypot(*picture.true_deg.T)
    best = int(np.argmin(distances))
    for index, walker in enumerate(picture.walkers):
        if walker is locked and distances[index] <= distances[best] + margin_deg:
            return walker
    return picture.walkers[best]
