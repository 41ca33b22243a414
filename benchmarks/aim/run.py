"""`benchmark aim`: every law in every scene, as rows, a table and a plot."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from aimbot.aimer import AimSettings
from aimbot.controller import ControllerSettings
from aimbot.selector import SelectorSettings
from benchmarks.aim.episode import Figures, play, pool
from benchmarks.aim.laws import LawMaker, Oracle, Ours, Pid, average, proportional
from benchmarks.aim.plant import PlantSettings
from benchmarks.aim.targets import TARGETS
from detection.training.report import require_matplotlib

Track = Callable[[Sequence[Any]], Iterable[Any]]

DEAD_TIMES_MS = (5.0, 20.0, 40.0, 60.0)
FRAME_HZ = (35.0, 60.0, 120.0, 240.0)
HAND_DEG_PER_S = 15.0
LAWS = ("ours", "oracle", "proportional", "ema", "pid")
TUNING_SEED = 1000
# What PID is tuned over, for each dead time and frame rate by itself.
GAINS = tuple(product((0.03, 0.06, 0.12, 0.25, 0.5, 0.8), (0.0, 0.002, 0.01), (0.0, 0.15, 0.4)))

# Ours, as quick as it goes: no smoothing. Whole boxes are targets, so their middle is the aim.
QUICK = AimSettings(
    controller=ControllerSettings(smoothing_s=0.0, max_speed_deg_per_s=5000.0),
    selector=SelectorSettings(aim_point=(0.5, 0.5), fov_radius_deg=60.0, confirm_s=0.06),
)


def run(
    aim: AimSettings = QUICK,
    seeds: int = 2,
    dead_times_ms: Sequence[float] = DEAD_TIMES_MS,
    frame_hz: Sequence[float] = FRAME_HZ,
    track: Track = iter,
) -> dict[str, Any]:
    """Rows of law, target, dead_time_ms and the figures of `episode.Figures`, over all frame rates and seeds.

    Each target is there twice: alone, and while the person turns the view by hand.
    """
    plants = [PlantSettings(frame_hz=hz, dead_time_ms=dead) for dead in dead_times_ms for hz in frame_hz]
    gains = {plant: tune_pid(plant) for plant in track(plants)}
    scenes = [(target, hand) for target in TARGETS for hand in (0.0, HAND_DEG_PER_S)]
    rows = []
    overshoots: dict[tuple[str, float], list[float]] = defaultdict(list)
    for (target, hand), dead in track(list(product(scenes, dead_times_ms))):
        episodes = [
            (replace(plant, hand_deg_per_s=hand), gains[plant], seed)
            for plant in plants
            if plant.dead_time_ms == dead
            for seed in range(seeds)
        ]
        played = {
            law: [play(make_law(law, aim, tuned), plant, target, seed) for plant, tuned, seed in episodes]
            for law in LAWS
        }
        name = f"{target}, by hand too" if hand else target
        for law, figures in played.items():
            key = {"law": law, "target": name, "dead_time_ms": dead}
            overshoots[law, dead] += [over for one in figures for over in one.overshoots]
            slower = compare_times(figures, played["oracle"])
            rows.append({**key, **describe(pool(figures)), "time_to_oracle": slower})
    return {"seeds": seeds, "frame_hz": list(frame_hz), "rows": rows, "summary": summarize(rows, overshoots)}


def compare_times(figures: Sequence[Figures], oracle: Sequence[Figures]) -> float | None:
    """The median of the times to target over the oracle's to the same targets; None if none is met."""
    pairs = [
        own / its
        for one, other in zip(figures, oracle, strict=True)
        for own, its in zip(one.time_to_target_s, other.time_to_target_s, strict=True)
        if its > 0
    ]
    return float(np.median(pairs)) if np.isfinite(np.median(pairs)) else None


def make_law(name: str, aim: AimSettings, gains: tuple[float, float, float]) -> LawMaker:
    """A law by its name in the rows."""
    kp, ki, kd = gains
    makers: dict[str, LawMaker] = {
        "ours": partial(Ours, aim=aim),
        "oracle": Oracle,
        "proportional": proportional,
        "ema": average,
        "pid": partial(Pid, kp=kp, ki=ki, kd=kd),
    }
    return makers[name]


def tune_pid(plant: PlantSettings) -> tuple[float, float, float]:
    """The gains with the largest on-target share in this plant, over three of the scenes."""

    def rate(gains: tuple[float, float, float]) -> float:
        law = make_law("pid", QUICK, gains)
        scenes = ("still", "constant", "strafing")
        return sum(play(law, plant, scene, TUNING_SEED).on_target_share for scene in scenes)

    return max(GAINS, key=rate)


def describe(figures: Figures) -> dict[str, Any]:
    """A row's figures; times that never come are left out of the median and counted."""
    met = [time for time in figures.time_to_target_s if np.isfinite(time)]
    return {
        "on_target_share": figures.on_target_share,
        "time_to_target_ms": 1e3 * float(np.median(met)) if met else None,
        "never_met": len(figures.time_to_target_s) - len(met),
        "overshoot": float(np.median(figures.overshoots)) if figures.overshoots else None,
        "rms_error_deg": figures.rms_error_deg if np.isfinite(figures.rms_error_deg) else None,
        "path_ratio": figures.path_ratio,
        "hops": figures.hops,
        "swing_deg": figures.swing_deg,
        "jerk_deg": figures.jerk_deg,
    }


def summarize(
    rows: Sequence[dict[str, Any]], overshoots: Mapping[tuple[str, float], Sequence[float]]
) -> list[dict[str, Any]]:
    """For each law and dead time: how it stands beside the oracle, in the mean and in its worst scene.

    overshoots: of every target that was met, by law and dead time; their median is the figure.
    """
    oracle = {(row["target"], row["dead_time_ms"]): row for row in rows if row["law"] == "oracle"}
    summary = []
    for law, dead in dict.fromkeys((row["law"], row["dead_time_ms"]) for row in rows):
        own = [row for row in rows if (row["law"], row["dead_time_ms"]) == (law, dead)]
        shares = [row["on_target_share"] / oracle[row["target"], dead]["on_target_share"] for row in own]
        slower = [row["time_to_oracle"] for row in own if row["time_to_oracle"] is not None]
        still = next(row for row in own if row["target"] == "still")
        summary.append(
            {
                "law": law,
                "dead_time_ms": dead,
                "on_target_share": float(np.mean([row["on_target_share"] for row in own])),
                "of_oracle": float(np.mean(shares)),
                "of_oracle_worst": min(shares),
                "time_to_oracle": float(np.median(slower)) if slower else None,
                "time_to_oracle_worst": max(slower, default=None),
                "overshoot": float(np.median(overshoots[law, dead])) if overshoots[law, dead] else None,
                "rms_error_deg": float(
                    np.median([row["rms_error_deg"] for row in own if row["rms_error_deg"]])
                ),
                "never_met": sum(row["never_met"] for row in own),
                "hops": sum(row["hops"] for row in own),
                "still_swing_deg": still["swing_deg"],
            }
        )
    return summary


def print_table(result: dict[str, Any]) -> None:
    """One line for each law and dead time; shares in percent, `worst` is that of its worst scene."""
    table = Table(title="Aim beside an oracle, over all targets")
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "law": lambda row: str(row["law"]),
        "dead ms": lambda row: f"{row['dead_time_ms']:.0f}",
        "on %": lambda row: f"{100 * row['on_target_share']:.1f}",
        "/oracle": lambda row: f"{100 * row['of_oracle']:.1f}",
        "worst": lambda row: f"{100 * row['of_oracle_worst']:.1f}",
        "time ×": lambda row: f"{row['time_to_oracle']:.2f}" if row["time_to_oracle"] else "–",
        "over %": lambda row: "–" if row["overshoot"] is None else f"{100 * row['overshoot']:.1f}",
        "RMS °": lambda row: f"{row['rms_error_deg']:.2f}",
        "hops": lambda row: str(row["hops"]),
        "rest °": lambda row: f"{row['still_swing_deg']:.2f}",
    }
    for head in columns:
        table.add_column(head, justify="left" if head == "law" else "right", no_wrap=True)
    for row in result["summary"]:
        table.add_row(*(show(row) for show in columns.values()))
    Console().print(table)


def plot(result: dict[str, Any], path: Path) -> None:
    """A PNG: on-target share, time to target, overshoot and RMS error of each law over the dead time."""
    figure = require_matplotlib()(figsize=(11, 7), layout="constrained")
    panels = (
        ("on_target_share", "on-target share"),
        ("time_to_oracle", "time to target over the oracle's"),
        ("overshoot", "overshoot, share of the way (median)"),
        ("rms_error_deg", "RMS error once met (deg)"),
    )
    for axes, (key, title) in zip(figure.subplots(2, 2).ravel(), panels, strict=True):
        for law in dict.fromkeys(row["law"] for row in result["summary"]):
            own = [row for row in result["summary"] if row["law"] == law]
            line = {"linewidth": 2.5 if law == "ours" else 1.2, "linestyle": "--" if law == "oracle" else "-"}
            axes.plot(
                [row["dead_time_ms"] for row in own], [row[key] for row in own], marker="o", label=law, **line
            )
        axes.set(title=title, xlabel="dead time (ms)")
        if key in ("time_to_oracle", "rms_error_deg"):
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(path, dpi=100)
