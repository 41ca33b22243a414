"""Small stand-ins for the seams around the aim."""

from collections.abc import Sequence

import numpy as np

from aimbot.aimer import AimSettings
from aimbot.controller import ControllerSettings
from aimbot.view import ViewSettings
from capture.frame import Frame, Region
from detection.detections import Detections, no_detections

MS = 1_000_000


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


class LoggingPointer:
    """Applies everything, and remembers it."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        self.events.append(("move", dx_counts, dy_counts))
        return dx_counts, dy_counts

    def press(self) -> bool:
        self.events.append(("press",))
        return True

    def release(self) -> None:
        self.events.append(("release",))

    def close(self) -> None:
        self.events.append(("close",))

    @property
    def total(self) -> tuple[int, int]:
        moves = [event[1:] for event in self.events if event[0] == "move"]
        return sum(int(str(m[0])) for m in moves), sum(int(str(m[1])) for m in moves)


class ScriptedDetector:
    """Answers with what it was told to see."""

    class_names: tuple[str, ...] = ("monster", "friend")
    input_size_wh = (640, 480)

    def __init__(self) -> None:
        self.answer = no_detections()
        self.calls = 0

    def detect(self, frame: Frame) -> Detections:
        self.calls += 1
        return self.answer

    def close(self) -> None:
        pass


def make_frame(frame_id: int, captured_ns: int) -> Frame:
    return Frame(np.zeros((480, 640, 3), np.uint8), captured_ns, frame_id, Region(0, 0, 640, 480))


def make_detections(
    boxes: Sequence[Sequence[float]], confidence: float = 0.9, class_id: int = 0
) -> Detections:
    count = len(boxes)
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.full(count, confidence, np.float32),
        np.full(count, class_id, np.int32),
    )


def doom_view(latency_ms: float = 20.0) -> ViewSettings:
    return ViewSettings(
        fov_deg=90, yaw_deg_per_count=0.1318, pitch_deg_per_count=0.1758, display_latency_ms=latency_ms
    )


def aim_settings(**controller: float) -> AimSettings:
    return AimSettings(view=doom_view(), controller=ControllerSettings(**controller))  # type: ignore[arg-type]
