"""What a run leaves to look at: an annotated video and a latency plot."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aimbot.rows import decode_detections
from capture.frame import Pixels
from detection.drawing import draw_detections
from detection.training.report import require_matplotlib

AIM_BGR, TEXT_BGR, FIRE_BGR = (60, 60, 255), (255, 255, 255), (0, 140, 255)


def draw_row(pixels: Pixels, row: Mapping[str, Any], class_names: Sequence[str]) -> Pixels:
    """A BGR copy with boxes, crosshair, aim point, and the step's counts and age."""
    picture = draw_detections(pixels, decode_detections(row["detections"]), tuple(class_names))
    height, width = picture.shape[:2]
    centre = (width // 2, height // 2)
    cv2.drawMarker(picture, centre, TEXT_BGR, cv2.MARKER_CROSS, 12, 1)
    if target := row["target"]:
        aim = (round(target["aim_xy_px"][0]), round(target["aim_xy_px"][1]))
        cv2.line(picture, centre, aim, AIM_BGR, 1, cv2.LINE_AA)
        cv2.circle(picture, aim, 4, AIM_BGR, 2, cv2.LINE_AA)
    applied = row["applied"]
    moves = [[0, applied["dx_counts"], applied["dy_counts"]], *row.get("moves", [])]
    dx, dy = (sum(move[axis] for move in moves) for axis in (1, 2))
    text = f"{dx:+d} {dy:+d} counts  age {row['stage_ms']['age']:.0f} ms"
    if row.get("level"):
        text += f"  level {row['level']}"
    if applied["refusal"]:
        text += f"  {applied['refusal']}"
    cv2.putText(picture, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, TEXT_BGR, 1, cv2.LINE_AA)
    if applied["fire"]:
        cv2.circle(picture, (width - 20, 18), 9, FIRE_BGR, cv2.FILLED, cv2.LINE_AA)
    return picture


def plot_latency(rows: Iterable[Mapping[str, Any]], path: Path, budget_ms: float) -> None:
    """A PNG: each frame's age when the mouse moved, over time and as a distribution, by stage.

    UserError if matplotlib is missing.
    """
    rows = list(rows)
    seconds = (np.array([row["captured_ns"] for row in rows]) - rows[0]["captured_ns"]) / 1e9
    stages = ["wait", "detect", "select", "steer", "move"]
    parts = np.array([[row["stage_ms"][stage] for stage in stages] for row in rows])
    ages = parts.sum(axis=1)
    figure = require_matplotlib()(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    left.stackplot(seconds, parts.T, labels=stages, step="post")
    left.axhline(budget_ms, color="black", linestyle="--", linewidth=1, label=f"budget {budget_ms:.0f} ms")
    left.set(xlabel="time (s)", ylabel="age of the pixels at the move (ms)", title="Where the time goes")
    left.set_ylim(0, max(budget_ms * 1.1, float(np.percentile(ages, 99.5))))
    left.legend(loc="upper right", ncols=3, fontsize=8)
    right.hist(ages, bins=60, range=(0, float(np.percentile(ages, 99.5)) * 1.1 + 1))
    for point in (50, 95, 99):
        value = float(np.percentile(ages, point))
        right.axvline(value, color="black", linewidth=1, linestyle=":")
        right.text(
            value, right.get_ylim()[1] * (0.6 + 0.1 * (point == 95)), f" p{point} {value:.1f}", fontsize=8
        )
    right.set(xlabel="age at the move (ms)", ylabel="frames", title=f"{len(rows)} frames")
    figure.savefig(path, dpi=110)
