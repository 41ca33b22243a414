"""FPS, stage times and counters; it reads, and never steers."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


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
        return {
            "wait": (self.taken_ns - self.captured_ns) / 1e6,
            "detect": (self.detected_ns - self.taken_ns) / 1e6,
            "select": (self.selected_ns - self.detected_ns) / 1e6,
            "steer": (self.steered_ns - self.selected_ns) / 1e6,
            "move": (self.moved_ns - self.steered_ns) / 1e6,
            "age": (self.moved_ns - self.captured_ns) / 1e6,
        }


def percentiles(values: Iterable[float], points: Sequence[int] = (50, 95, 99)) -> dict[str, float]:
    """{"p50": …} of the values, rounded to a microsecond's thousandth; empty for no values."""
    data = np.fromiter(values, dtype=np.float64)
    if not data.size:
        return {}
    return {f"p{point}": round(float(np.percentile(data, point)), 4) for point in points}


class Telemetry:
    """Collects one run. The stage times kept are bounded, so that a long run does not grow."""

    def __init__(self, kept: int = 200_000) -> None:
        """`kept`: the latest stamps that percentiles are taken over."""
        self._stamps: deque[Stamps] = deque(maxlen=kept)
        self._first_ns: int | None = None
        self._last_ns = 0
        self.counts: Counter[str] = Counter()
        self.level = 0
        self._levels: dict[int, Counter[str]] = {}
        self.level_changes: deque[tuple[int, int]] = deque(maxlen=1000)

    def add(self, stamps: Stamps, *, late: bool, target: bool, moved: bool, level: int = 0) -> None:
        """Note one processed frame; `level`: of the detector at the time."""
        self._note_level(level, stamps.moved_ns)
        self._stamps.append(stamps)
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
        recent = list(self._stamps)[-frames:]
        if len(recent) < 2:
            return {"fps": 0.0, "age_ms": 0.0, "detect_ms": 0.0}
        elapsed_ns = recent[-1].moved_ns - recent[0].moved_ns
        durations = [stamps.durations_ms() for stamps in recent]
        return {
            "fps": (len(recent) - 1) * 1e9 / elapsed_ns if elapsed_ns else 0.0,
            "age_ms": float(np.median([d["age"] for d in durations])),
            "detect_ms": float(np.median([d["detect"] for d in durations])),
        }

    def levels(self) -> list[dict[str, Any]]:
        """Each level of the detector that was used: its frames, and for how many seconds."""
        return [
            {"level": level, "frames": counts["frames"], "seconds": round(counts["ns"] / 1e9, 3)}
            for level, counts in sorted(self._levels.items())
        ]

    def summary(self) -> dict[str, Any]:
        """Counts, FPS, and percentiles of each stage and of the age at the move, in milliseconds."""
        rows = [stamps.durations_ms() for stamps in self._stamps]
        stages = {stage: percentiles(row[stage] for row in rows) for stage in (rows[0] if rows else ())}
        age = stages.pop("age", {})
        return {
            **self.counts,
            "loop_fps": round(self.fps, 2),
            "age_at_move_ms": age,
            "stages_ms": stages,
        }
