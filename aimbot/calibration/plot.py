"""A picture of one calibration: shift over counts, what is not linear in it, and the reaction times."""

from pathlib import Path

import numpy as np

from aimbot.calibration.measure import Calibration
from aimbot.calibration.sweep import Axis
from detection.training.report import require_matplotlib


def plot_calibration(calibration: Calibration, path: Path) -> None:
    """A PNG; UserError if matplotlib is missing."""
    figure = require_matplotlib()(figsize=(11, 3.6), layout="constrained")
    shift, deviation, latency = figure.subplots(1, 3)
    slopes = {
        Axis.YAW: calibration.yaw_deg_per_count.value,
        Axis.PITCH: calibration.pitch_deg_per_count.value,
    }
    for axis, marker in ((Axis.YAW, "o"), (Axis.PITCH, "x")):
        steps = [step for step in calibration.steps if step.axis is axis]
        if not steps:
            continue
        counts = np.array([step.counts for step in steps])
        angles = np.array([step.angle_deg for step in steps])
        name = axis.name.lower()
        (points,) = shift.plot(counts, angles, marker, label=f"{name}: {slopes[axis]:.5f}° a count")
        ends = np.array([counts.min(), counts.max()])
        shift.plot(ends, slopes[axis] * ends, linewidth=1, color=points.get_color())
        deviation.plot(counts, (angles / counts / slopes[axis] - 1) * 100, marker, color=points.get_color())
    shift.set(xlabel="counts sent", ylabel="turn of the view (°)", title="Shift against counts")
    shift.legend(fontsize=8)
    deviation.axhline(0, color="black", linewidth=1)
    deviation.set(xlabel="counts sent", ylabel="deviation from the line (%)", title="Is it linear?")
    latency.hist(calibration.latency_ms, bins=20)
    median = calibration.display_latency_ms
    latency.axvline(median.value, color="black", linewidth=1)
    latency.set(
        xlabel="count sent → changed pixel (ms)",
        ylabel="motions",
        title=f"Display latency: {median.value:.1f} ± {median.error:.1f} ms",
    )
    figure.savefig(path, dpi=80)
