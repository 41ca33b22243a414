"""What it brings to see the person's hand: ours with the hand hidden and shown, in every scene.

python -m benchmarks.aim.hand [--seeds 5] [--json]
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.aim.episode import play, pool
from benchmarks.aim.laws import Ours
from benchmarks.aim.plant import PlantSettings
from benchmarks.aim.run import FRAME_HZ, QUICK, describe
from benchmarks.aim.script import run_script
from benchmarks.aim.targets import TARGETS

DEAD_TIMES_MS = (20.0, 60.0)
SPEEDS_DEG_PER_S = (15.0, 60.0)


def run(seeds: int, targets: Sequence[str] = TARGETS) -> dict[str, Any]:
    """Rows of dead_time_ms, hand_deg_per_s, target, hand_is_shown and the figures, over all frame rates."""
    rows = []
    for dead, speed, target, shown in product(DEAD_TIMES_MS, SPEEDS_DEG_PER_S, targets, (False, True)):
        figures = [
            play(lambda plant: Ours(plant, QUICK), settings, target, seed)
            for hz in FRAME_HZ
            for seed in range(seeds)
            for settings in [PlantSettings(hz, dead, hand_deg_per_s=speed, hand_is_shown=shown)]
        ]
        row = {"dead_time_ms": dead, "hand_deg_per_s": speed, "target": target, "hand_is_shown": shown}
        rows.append(row | describe(pool(figures)))
    return {"seeds": seeds, "frame_hz": list(FRAME_HZ), "rows": rows}


def print_table(result: dict[str, Any]) -> None:
    """One line for each scene: on-target share in percent and RMS error in degrees, hidden → shown."""
    table = Table("dead ms", "hand °/s", "target", "on %", "RMS °", title="The hand hidden → shown")
    for hidden, shown in zip(result["rows"][::2], result["rows"][1::2], strict=True):
        table.add_row(
            f"{hidden['dead_time_ms']:.0f}",
            f"{hidden['hand_deg_per_s']:.0f}",
            hidden["target"],
            " → ".join(f"{100 * row['on_target_share']:.1f}" for row in (hidden, shown)),
            " → ".join(f"{row['rms_error_deg']:.2f}" for row in (hidden, shown)),
        )
    Console().print(table)


if __name__ == "__main__":
    run_script(__doc__, run, print_table)
