"""The simulated game with a hand that the system shows."""

import numpy as np
import pytest

from benchmarks.aim.hand import run
from benchmarks.aim.plant import Plant, PlantSettings
from benchmarks.aim.targets import make_scene

MS = 1_000_000


def test_the_moves_shown_add_up_to_the_turn_that_the_picture_shows_half_a_dead_time_later() -> None:
    settings = PlantSettings(frame_hz=50, dead_time_ms=40, hand_deg_per_s=30, hand_is_shown=True)
    rng = np.random.default_rng(0)
    plant = Plant(settings, make_scene("still", rng, 1.0), rng)
    views = [plant.advance().view_deg[0] for _ in range(40)]
    moves = settings.list_hand_moves(0.0, 0.2) + settings.list_hand_moves(0.2, 0.7)
    assert [move.time_ns for move in moves] == sorted({move.time_ns for move in moves})
    assert moves[0].time_ns > 0
    assert moves[-1].time_ns <= 700 * MS
    turned = sum(move.dx_counts for move in moves) * settings.deg_per_count[0]
    # The hand is 20 ms ahead of the picture: the moves of 0 to 0.7 s are the turn from 0.02 to 0.72 s.
    assert turned == pytest.approx(views[36] - views[1], abs=2 * settings.deg_per_count[0])
    assert abs(turned) > 5


def test_a_fast_hand_costs_less_where_it_is_seen_and_the_latency_is_long() -> None:
    rows = run(seeds=1, targets=("still",))["rows"]
    hidden, shown = (row for row in rows if (row["dead_time_ms"], row["hand_deg_per_s"]) == (60.0, 60.0))
    assert (hidden["hand_is_shown"], shown["hand_is_shown"]) == (False, True)
    assert shown["on_target_share"] > hidden["on_target_share"] + 0.05
    assert shown["rms_error_deg"] < 0.85 * hidden["rms_error_deg"]
