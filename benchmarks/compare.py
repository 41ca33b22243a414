"""Two results of one benchmark: what changed beyond the noise of their own samples."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from capture.errors import UserError

LEAST_SAMPLES = 5
RESAMPLES = 2000
SURE = 0.99
"""Of an interval of a change; with some twenty figures a result, one in five comparisons then names a change
that is none."""

Samples = NDArray[np.float64]


def run(old: Mapping[str, Any], new: Mapping[str, Any], seed: int = 1) -> dict[str, Any]:
    """The JSON object of `benchmark compare`; UserError if no figure is sampled in both.

    A row for each figure with samples in both results: medians, change (over the old one's size; up is
    positive), its interval by the bootstrap, and `changed` where that leaves out 0. The bootstrap takes
    samples for independent, and knows nothing of what differs between two hours on a shared machine.
    unmatched: figures that one of the results alone has.
    """
    before, after = dict(collect_samples(old)), dict(collect_samples(new))
    shared = [name for name in before if name in after]
    if not shared:
        raise UserError(
            "expected two results of the same benchmark with samples in them, got none that both have; "
            "make them with `run_aimbot.py benchmark … --json`"
        )
    rng = np.random.default_rng(seed)
    return {
        "rows": [compare_samples(name, before[name], after[name], rng) for name in shared],
        "unmatched": sorted(before.keys() ^ after.keys()),
    }


def collect_samples(result: Any, name: str = "") -> Iterator[tuple[str, Samples]]:
    """Every list of numbers, and every number that the objects of a list share, by its place.

    A row of a table goes by its texts, not by its number: "rows/doom-nano/openvino".
    """
    if isinstance(result, Mapping):
        for key, value in result.items():
            yield from collect_samples(value, f"{name}/{key}" if name else key)
    elif isinstance(result, list) and result and all(isinstance(row, Mapping) for row in result):
        if any(isinstance(value, str) for value in result[0].values()):
            for row in result:
                label = "/".join(value for value in row.values() if isinstance(value, str))
                yield from collect_samples(row, f"{name}/{label}")
        else:
            for key in result[0]:
                yield from collect_samples([row.get(key) for row in result], f"{name}/{key}")
    elif isinstance(result, list) and len(result) >= LEAST_SAMPLES and all(map(_is_number, result)):
        yield name, np.array(result, np.float64)


def compare_samples(name: str, old: Samples, new: Samples, rng: np.random.Generator) -> dict[str, Any]:
    """One row; the change is None where the old median is 0."""
    before, after = float(np.median(old)), float(np.median(new))
    gained = draw_medians(new, rng) - draw_medians(old, rng)
    edge = (1 - SURE) / 2
    low, high = (float(value) for value in np.quantile(gained, (edge, 1 - edge)))
    return {
        "figure": name,
        "samples": [len(old), len(new)],
        "old": before,
        "new": after,
        "change": (after - before) / abs(before) if before else None,
        "interval": [low / abs(before), high / abs(before)] if before else None,
        "changed": bool(low > 0 or high < 0),
    }


def draw_medians(samples: Samples, rng: np.random.Generator) -> Samples:
    """Medians of RESAMPLES drawings with replacement."""
    medians: Samples = np.median(rng.choice(samples, (RESAMPLES, len(samples))), axis=1)
    return medians


def print_table(result: Mapping[str, Any]) -> None:
    """What changed first."""
    table = Table("figure", "old", "new", "change", f"{SURE:.0%} interval", "verdict", title="compare")
    for row in sorted(result["rows"], key=lambda row: not row["changed"]):
        change, interval = row["change"], row["interval"]
        table.add_row(
            row["figure"],
            f"{row['old']:.4g}",
            f"{row['new']:.4g}",
            "" if change is None else f"{change:+.1%}",
            f"{interval[0]:+.1%} to {interval[1]:+.1%}" if interval else "",
            "changed" if row["changed"] else "within noise",
        )
    Console().print(table)
    for name in result["unmatched"]:
        Console().print(f"in one of them alone: {name}", markup=False)


def _is_number(value: Any) -> bool:
    """True for what a float holds: no NaN, nothing infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max
