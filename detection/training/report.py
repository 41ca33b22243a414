"""What an evaluation leaves to look at: figures, precision over recall, the worst misses and false alarms."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture.errors import missing_package
from detection.training.mistakes import find_false_alarms, find_misses
from detection.training.scoring import Coco, Curve, Row, average_precision, judge_rows, trace_curves
from detection.training.sheets import draw_sheet

TILES = 24
CLASS_CURVES = 10
BOLD = {"color": "black", "linewidth": 2.2}
HEIGHT_LABELS = {"small": "under 24 px", "medium": "24 to 64 px", "large": "over 64 px"}


def write_report(out: Path, coco: Coco, rows: Sequence[Row], figures: Mapping[str, Any]) -> None:
    """Write report.json, precision_recall.png, misses.png and false_alarms.png to the folder `out`.

    `coco`: of `dataset_to_coco`, file names that are paths. `figures`: of `evaluate`. UserError if matplotlib
    is missing.
    """
    require_matplotlib()
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    agnostic, confidence = figures["class_agnostic"], figures["confidence"]
    title = f"{figures['model']} on {figures['images']} images".strip()
    plot_curves(trace_curves(coco, rows, agnostic), confidence, title, out / "precision_recall.png")
    verdicts = judge_rows(coco, rows, agnostic)
    misses = find_misses(coco, rows, verdicts, confidence)
    alarms = find_false_alarms(coco, rows, verdicts, confidence)
    boxes = figures["boxes"]
    for name, mistakes, caption in (
        ("misses", misses, f"{len(misses)} of {boxes} labelled boxes missed, largest first"),
        ("false_alarms", alarms, f"{len(alarms)} false alarms, surest first"),
    ):
        caption = f"{title}, at confidence {confidence:.2f}: {caption}"
        draw_sheet(mistakes[:TILES], caption, out / f"{name}.png")


def require_matplotlib() -> Any:
    """matplotlib's Figure; UserError if the package is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_package("a plot", error.name, "plots") from error
    return Figure


def plot_curves(curves: Mapping[str, Curve], confidence: float, title: str, path: Path) -> None:
    """A PNG of precision over recall at an overlap of 0.5: by height, and by class where there are a few.

    `curves`: of `trace_curves`. A dot marks each curve at `confidence`, the best F1 of all boxes.
    """
    classes = [name for name in curves if name.startswith("class ")]
    panels = [("by height of the labelled box", ["all", *HEIGHT_LABELS])]
    if 1 < len(classes) <= CLASS_CURVES:
        panels.append(("by class", ["all", *classes]))
    figure = require_matplotlib()(figsize=(7 * len(panels), 6.4), layout="constrained")
    figure.suptitle(title)
    for axes, (panel, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            label = HEIGHT_LABELS.get(name, name.removeprefix("class "))
            if name == "all":
                _plot_curve(
                    axes, "all, classes pooled" if classes else name, curves[name], confidence, **BOLD
                )
            else:
                _plot_curve(axes, label, curves[name], confidence)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        axes.set_title(f"{panel}, overlap of at least 0.5", fontsize=10)
        axes.grid(alpha=0.3)
        sure, found = curves["all"].at(confidence)
        point = (
            f"● at confidence {confidence:.2f}, the best F1 of all: precision {sure:.3f}, recall {found:.3f}"
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, fontsize=9, title=point)
    figure.savefig(path, dpi=110)


def _plot_curve(axes: Any, label: str, curve: Curve, confidence: float, **style: Any) -> None:
    if curve.boxes == 0:
        axes.plot([], [], label=f"{label}: no boxes", **style)
        return
    text = f"{label}: AP50 {average_precision(curve):.3f} ({curve.boxes} boxes)"
    (line,) = axes.plot(curve.recall, curve.precision, label=text, **style)
    sure, found = curve.at(confidence)
    axes.plot([found], [sure], "o", color=line.get_color(), markersize=7, clip_on=False)
