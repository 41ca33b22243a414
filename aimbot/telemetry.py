"""FPS, stage times and counters; it reads, and never steers."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stamps:
    """Monotonic times of one frame's way, in nanoseconds."""

    captured_ns: int
    taken_ns: int
    detected_ns: int
    selected_ns: int
    steered_ns: int
    moved_ns: int

    def durations_ms(self) -> dict[str, float]:
        """Milliseconds by stage; `wait` is the time in the mailbox, `age` from the pixels to the mouse."""
        times_ns = read_times(self)
        return {stage: (times_ns[end] - times_ns[begin]) / 1e6 for stage, (begin, end) in STAGES.items()}


NAMES = tuple(field.name for field in fields(Stamps))
read_times = attrgetter(*NAMES)
STAGES = {
    "wait": (0, 1),
    "detect": (1, 2),
    "select": (2, 3),
    "steer": (3, 4),
    "move": (4, 5),
    "age": (0, 5),
}
"""Between which of a frame's times a stage lies."""


def percentiles(values: Iterable[float], points: Sequence[int] = (50, 95, 99)) -> dict[str, float]:
    """{"p50": …} of the values, rounded to a microsecond's thousandth; empty for no values."""
    data = np.fromiter(values, dtype=np.float64)
    if not data.size:
        return {}
    return {f"p{point}": round(float(np.percentile(data, point)), 4) for point in points}


class Telemetry:
    """Collects one run. The memory for the times is taken at the start, so that a long run stays flat."""

    def __init__(self, kept: int = 200_000) -> None:
        """`kept`: the latest frames whose times percentiles are taken over."""
        self._times_ns = np.full((kept, len(NAMES)), 0, np.int64)  # a ring; written, so that it is there
        self._first_ns: int | None = None
        self._last_ns = 0
        self.counts: Counter[str] = Counter()
        self.level = 0
        self._levels: dict[int, Counter[str]] = {}
        self.level_changes: deque[tuple[int, int]] = deque(maxlen=1000)

    def add(self, stamps: Stamps, *, late: bool, target: bool, moved: bool, level: int = 0) -> None:
        """Note one processed frame; `level`: of the detector at the time."""
        self._note_level(level, stamps.moved_ns)
        self._times_ns[self.counts["frames"] % len(self._times_ns)] = read_times(stamps)
        if self._first_ns is None:
            self._first_ns = stamps.moved_ns
        self._last_ns = stamps.moved_ns
        self.counts["frames"] += 1
        self.counts["late"] += late
        self.counts["targets"] += target
        self.counts["moves"] += moved

    def _note_level(self, level: int, moved_ns: int) -> None:
        if level != self.level:
            self.level = level
            self.level_changes.append((moved_ns, level))
        on_level = self._levels.setdefault(level, Counter())
        on_level["frames"] += 1
        if self._first_ns is not None:
            on_level["ns"] += moved_ns - self._last_ns

    @property
    def fps(self) -> float:
        """Processed frames a second over the whole run; 0 for fewer than two."""
        elapsed_ns = self._last_ns - self._first_ns if self._first_ns is not None else 0
        return (self.counts["frames"] - 1) * 1e9 / elapsed_ns if elapsed_ns > 0 else 0.0

    def recent(self, frames: int = 60) -> dict[str, float]:
        """FPS and median age over the latest frames, for a live line."""
        times_ns = self._latest(frames)
        if len(times_ns) < 2:
            return {"fps": 0.0, "age_ms": 0.0, "detect_ms": 0.0}
        elapsed_ns = int(times_ns[-1, -1] - times_ns[0, -1])
        durations_ms = measure_stages(times_ns)
        return {
            "fps": (len(times_ns) - 1) * 1e9 / elapsed_ns if elapsed_ns else 0.0,
            "age_ms": float(np.median(durations_ms["age"])),
            "detect_ms": float(np.median(durations_ms["detect"])),
        }

    def _latest(self, frames: int) -> NDArray[np.int64]:
        """The times of the latest frames, oldest first; (N, 6)."""
        seen, kept = self.counts["frames"], len(self._times_ns)
        return self._times_ns[np.arange(max(0, seen - min(frames, kept)), seen) % kept]

    def levels(self) -> list[dict[str, Any]]:
        """Each level of the detector that was used: its frames, and for how many seconds."""
        return [
            {"level": level, "frames": counts["frames"], "seconds": round(counts["ns"] / 1e9, 3)}
            for level, counts in sorted(self._levels.items())
        ]

    def summary(self) -> dict[str, Any]:
        """Counts, FPS, and percentiles of each stage and of the age at the move, in milliseconds."""
        durations_ms = measure_stages(self._latest(len(self._times_ns)))
        stages = {stage: percentiles(taken_ms) for stage, taken_ms in durations_ms.items() if len(taken_ms)}
        age = stages.pop("age", {})
        return {
            **self.counts,
            "loop_fps": round(self.fps, 2),
            "age_at_move_ms": age,
            "stages_ms": stages,
        }


def measure_stages(times_ns: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of each stage, of frames with the times (N, 6)."""
    return {stage: (times_ns[:, end] - times_ns[:, begin]) / 1e6 for stage, (begin, end) in STAGES.items()}
