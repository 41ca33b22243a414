"""A flame chart of one frame: what contains what, from the stamps that telemetry takes anyway."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aimbot.telemetry import Stamps
from detection.training.report import require_matplotlib

Bar = tuple[str, int, int, int]
"""What was done, its depth, and when it began and ended, in ns."""
NARROW_SHARE, LEAST_SHARE = 0.06, 0.01  # of the chart's width: a name is turned in less, or left out


def choose_median(stamps: Sequence[Stamps]) -> Stamps:
    """The frame whose time from the pixels to the mouse is the median."""
    return sorted(stamps, key=lambda one: one.moved_ns - one.captured_ns)[len(stamps) // 2]


def list_bars(one: Stamps) -> list[Bar]:
    """The frame, its stages, and the two halves of the decision."""
    return [
        ("frame", 0, one.captured_ns, one.moved_ns),
        ("wait", 1, one.captured_ns, one.taken_ns),
        ("detect", 1, one.taken_ns, one.detected_ns),
        ("decide", 1, one.detected_ns, one.steered_ns),
        ("move", 1, one.steered_ns, one.moved_ns),
        ("select", 2, one.detected_ns, one.selected_ns),
        ("steer", 2, one.selected_ns, one.steered_ns),
    ]


def plot(stamps: Sequence[Stamps], path: Path) -> None:
    """A PNG of the median frame, and of what follows detection in it; UserError without matplotlib."""
    one = choose_median(stamps)
    figure = require_matplotlib()(figsize=(11, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    age_ms = (one.moved_ns - one.captured_ns) / 1e6
    draw_bars(
        upper, one, one.captured_ns, f"The median of {len(stamps)} frames: {age_ms:.2f} ms to the mouse"
    )
    draw_bars(lower, one, one.detected_ns, "Of it, what follows detection")
    figure.savefig(path, dpi=110)


def draw_bars(axes: Any, one: Stamps, begin_ns: int, title: str) -> None:
    """The bars from `begin_ns` on, in ms since then; a name stands in its bar if it fits."""
    width_ms = (one.moved_ns - begin_ns) / 1e6
    for name, depth, started_ns, ended_ns in list_bars(one):
        if begin_ns > started_ns:
            continue
        left_ms, long_ms = (started_ns - begin_ns) / 1e6, (ended_ns - started_ns) / 1e6
        axes.barh(-depth, long_ms, 0.9, left_ms, color=f"C{depth + 1}", edgecolor="white")
        share = long_ms / width_ms
        if share < LEAST_SHARE:
            continue
        axes.text(
            left_ms + long_ms / 2,
            -depth,
            f"{name} {long_ms:.2f}",
            ha="center",
            va="center",
            fontsize=7,
            rotation=90 * (share < NARROW_SHARE),
        )
    axes.set(xlim=(0, width_ms), yticks=[], title=title, xlabel="ms")
