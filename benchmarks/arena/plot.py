"""The picture of `benchmark arena`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detection.training.report import require_matplotlib


def plot(result: Mapping[str, Any], path: Path) -> None:
    """A PNG: kills a minute of each episode, and how the times to target are spread, by player.

    A column a scenario. UserError if matplotlib is missing.
    """
    rows = result["rows"]
    scenarios = list(dict.fromkeys(row["scenario"] for row in rows))
    players = list(dict.fromkeys(row["player"] for row in rows))
    figure = require_matplotlib()(figsize=(4.4 * len(scenarios), 6.4), layout="constrained")
    axes = figure.subplots(2, len(scenarios), squeeze=False)
    for row in rows:
        column, number = scenarios.index(row["scenario"]), players.index(row["player"])
        rates, times = axes[0][column], axes[1][column]
        colour = f"C{number}"
        each = [60 * e["kills"] / e["seconds"] for e in row["episodes"] if e["seconds"]]
        rates.bar(number, row["kills_a_minute"], color=colour, alpha=0.5)
        rates.plot(np.full(len(each), number), each, ".", color=colour)
        reached = np.sort([1e3 * t for e in row["episodes"] for t in e["time_to_target_s"]])
        share = np.arange(1, len(reached) + 1) / max(len(reached), 1)
        times.step(reached, share, where="post", color=colour, label=row["player"])
    for column, scenario in enumerate(scenarios):
        axes[0][column].set(title=scenario, xticks=range(len(players)), xticklabels=players)
        axes[1][column].set(xlabel="in sight to on target (ms)", xlim=(0, 800), ylim=(0, 1))
    axes[0][0].set_ylabel("kills a minute; a dot an episode")
    axes[1][0].set_ylabel("share of the monsters reached")
    axes[1][-1].legend(loc="lower right")
    figure.savefig(path, dpi=110)
