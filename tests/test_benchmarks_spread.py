"""Moves between detections in the simulated game."""

import numpy as np
import pytest

from benchmarks.aim.episode import measure_jerk
from benchmarks.aim.spread import WAYS, print_table, run


def test_moves_between_detections_are_smooth_where_the_game_draws_more_pictures_than_are_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = run(2, targets=("still", "constant"), games=((144.0, 26.0),))
    one, spread = (
        [row for row in result["rows"] if (row["pointer_hz"], row["smoothing_s"]) == way] for way in WAYS[:2]
    )
    for before, after in zip(one, spread, strict=True):
        assert after["jerk_deg"] < before["jerk_deg"] / 3
        assert after["on_target_share"] > 0.97 * before["on_target_share"]
        assert after["never_met"] == 0
        assert after["overshoot"] < 0.05
    print_table(result)
    assert capsys.readouterr().out.count("\n│") >= len(WAYS)


def test_an_even_turn_has_no_jerk_and_a_step_has() -> None:
    even = np.array([[float(t), 0.0] for t in range(10)])
    steps = np.array([[float(t - t % 5), 0.0] for t in range(11)])
    assert measure_jerk(even) == 0.0
    assert measure_jerk(steps) == pytest.approx(5.0)
    assert measure_jerk(np.zeros((5, 2))) == 0.0
