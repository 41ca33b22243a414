"""What it brings to move between detections: ours with one move a frame, and with `loop.pointer_hz`.

python -m benchmarks.aim.spread [--seeds 5] [--json]
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby, product
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from aimbot.aimer import AimSettings
from aimbot.controller import ControllerSettings
from aimbot.pointer import NullPointer
from aimbot.pointer_thread import PointerThread
from aimbot.safety import Gates, SafetyEnvelope, SafetySettings
from aimbot.target import Target
from benchmarks.aim.episode import play, pool
from benchmarks.aim.laws import Ours, Sent
from benchmarks.aim.plant import NS, Picture, PlantSettings
from benchmarks.aim.run import QUICK, describe
from benchmarks.aim.script import run_script
from benchmarks.aim.targets import TARGETS
from capture.frame import Frame

Game = tuple[float, float]
POINTER_HZ = 500
BUDGET_MS = 80.0
FREE = SafetySettings(max_counts_per_move=30_000, max_counts_per_s=1_000_000)
GAMES: tuple[Game, ...] = ((35.0, 8.0), (60.0, 8.0), (144.0, 26.0), (144.0, 15.0))
"""Pictures a second and milliseconds of the detector: slow games, and a quick one that it sees a part of."""
WAYS = ((0, 0.05), (POINTER_HZ, 0.05), (POINTER_HZ, 0.035))
"""`loop.pointer_hz` and `smoothing_s`. One move a frame makes at once what the frame's time allows: it is
ahead of its smoothing by half a frame, so that moves between frames are as quick with less."""


class Notebook(NullPointer):
    """Applies every move, and keeps it with the time."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.moves: list[Sent] = []

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        """Note it."""
        self.moves.append((self.now_ns / NS, dx_counts, dy_counts))
        return dx_counts, dy_counts


class Spread(Ours):
    """Ours with its pointer thread, whose steps are taken in the plant's time."""

    def __init__(self, plant: PlantSettings, aim: AimSettings, pointer_hz: int = POINTER_HZ) -> None:
        super().__init__(plant, aim)
        self._notebook = Notebook()
        gates = Gates(armed=True, focused=True)
        envelope = SafetyEnvelope(self._notebook, FREE, BUDGET_MS, self._clock, lambda: gates)
        self._follower = PointerThread(envelope, self._clock, pointer_hz)

    def _clock(self) -> int:
        return self._notebook.now_ns

    def moves_until(self, time_s: float) -> list[Sent]:
        """The steps by then."""
        self._pass_time(round(time_s * NS))
        moves, self._notebook.moves = self._notebook.moves, []
        return moves

    def steer(self, picture: Picture, now_ns: int) -> tuple[int, int]:
        """As the loop does: what was sent until now is entered before the selection."""
        self._pass_time(now_ns)
        self.aimer.turned(self._follower.take())
        return super().steer(picture, now_ns)

    def _move(self, frame: Frame, target: Target | None, now_ns: int) -> tuple[int, int]:
        self._follower.follow(self.aimer.plan(frame, target, now_ns)[1])
        return 0, 0

    def _pass_time(self, until_ns: int) -> None:
        """Take the steps that are due by then, each at its time."""
        while (wait_s := self._follower.advance()) is not None:
            if self._notebook.now_ns + round(wait_s * NS) > until_ns:
                break
            self._notebook.now_ns += round(wait_s * NS)
        self._notebook.now_ns = max(self._notebook.now_ns, until_ns)


def run(seeds: int, targets: Sequence[str] = TARGETS, games: Sequence[Game] = GAMES) -> dict[str, Any]:
    """Rows of frame_hz, detector_ms, pointer_hz (0: one move a frame), smoothing_s, target and figures."""
    rows = []
    for (hz, detector_ms), (pointer_hz, smoothing_s), target in product(games, WAYS, targets):
        aim = QUICK.model_copy(update={"controller": ControllerSettings(smoothing_s=smoothing_s)})
        make = partial(Spread if pointer_hz else Ours, aim=aim)
        settings = PlantSettings(hz, detector_ms=detector_ms)
        figures = pool([play(make, settings, target, seed) for seed in range(seeds)])
        way = {"pointer_hz": pointer_hz, "smoothing_s": smoothing_s}
        rows.append(
            {"frame_hz": hz, "detector_ms": detector_ms, **way, "target": target, **describe(figures)}
        )
    return {"seeds": seeds, "rows": rows}


def print_table(result: dict[str, Any]) -> None:
    """One line for each game and way to move: means over the targets."""
    columns: dict[str, tuple[str, str]] = {
        "on-target share": ("on_target_share", ".3f"),
        "time to target ms": ("time_to_target_ms", ".0f"),
        "overshoot": ("overshoot", ".3f"),
        "RMS °": ("rms_error_deg", ".2f"),
        "path": ("path_ratio", ".2f"),
        "jerk °": ("jerk_deg", ".2f"),
    }
    heads = ("game Hz", "detector ms", "pointer Hz", "smoothing s")
    table = Table(*heads, *columns, title="One move a frame, and moves between frames")
    names = ("frame_hz", "detector_ms", "pointer_hz", "smoothing_s")
    for key, rows in groupby(result["rows"], key=lambda row: tuple(row[name] for name in names)):
        own = list(rows)
        means = (
            f"{np.mean([row[name] for row in own if row[name] is not None]):{form}}"
            for name, form in columns.values()
        )
        table.add_row(*(f"{value:g}" for value in key), *means)
    Console(width=120).print(table)


if __name__ == "__main__":
    run_script(__doc__, run, print_table)
