"""The assistant beside busy cores: what is made of the games, and one real one."""

import pytest

from aimbot.commands.common import gather_settings
from aimbot.levels import open_levels
from benchmarks.load import (
    Busy,
    Condition,
    describe,
    find_gains,
    find_recovery,
    play_beside,
    print_table,
    set_mode,
    share_levels,
)
from capture.clock import sleep_s

SECOND = 1_000_000_000


def test_recovery_is_told_from_the_loads_coming_and_going() -> None:
    changes = [(1, 1), (2, 0), (10, 1), (11, 2), (15, 1), (16, 2), (21, 1), (24, 0)]
    found = find_recovery([(at * SECOND, level) for at, level in changes], 9 * SECOND, 20 * SECOND)
    assert found == {"lowest_level": 2, "settled_s": 2.0, "recovered_s": 4.0}


def test_a_load_that_changes_nothing_and_one_that_is_not_recovered_from_have_no_times() -> None:
    assert find_recovery([], 1, 2) == {"lowest_level": 0, "settled_s": None, "recovered_s": None}
    assert find_recovery([(3 * SECOND, 1)], 2 * SECOND, 4 * SECOND)["recovered_s"] is None


def test_gains_are_medians_of_the_pairs_ratios_and_a_zero_has_none() -> None:
    names = ("loop_fps", "age_p50_ms", "age_p99_ms", "stale_share", "kills_a_minute", "busy_cores")
    same = dict.fromkeys(names, 1.0)
    fixed = [{**same, "game_fps": fps, "busy_cores": 0.0} for fps in (10.0, 20.0, 40.0)]
    adaptive = [{**same, "game_fps": fps} for fps in (20.0, 30.0, 44.0)]
    gains = find_gains(2, fixed, adaptive)
    assert (gains["load"], gains["game_fps"], gains["loop_fps"], gains["busy_cores"]) == (
        "2 busy",
        1.5,
        1,
        None,
    )


def test_the_share_of_the_time_on_each_level_is_over_all_games() -> None:
    games = [
        [{"name": "a", "seconds": 3.0}],
        [{"name": "a", "seconds": 3.0}, {"name": "b", "seconds": 2.0}],
        [],
    ]
    assert share_levels(games) == {"a": 0.75, "b": 0.25}


def test_busy_processes_take_cores_and_are_gone_afterwards() -> None:
    with Busy(1) as busy:
        sleep_s(0.5)
        assert busy.cores() > 0.05
        (process,) = busy._processes
    assert not process.is_running()


@pytest.mark.usefixtures("xvfb_display")
def test_a_game_beside_a_busy_core_has_all_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["aim.controller.search_deg_per_s=60", "loop.budget_ms=300"]
    settings = set_mode(gather_settings("doom", overrides), "adaptive")
    levels, condition = open_levels(settings), Condition()
    play_beside(settings, levels, 1, "defend_the_line", 1, 5.0, condition)
    levels.detector.close()
    row = describe(1, "adaptive", condition)
    assert (row["load"], row["mode"], len(row["games"])) == ("1 busy", "adaptive", 1)
    assert row["game_fps"] > 3
    assert row["loop_fps"] > 3
    assert row["age_p50_ms"] > 0
    assert row["busy_cores"] > 0.05
    assert sum(row["levels"].values()) == pytest.approx(1, abs=1e-3)
    gains = find_gains(1, condition.samples, condition.samples)
    result = {"model": "doom-nano", "scenario": "defend_the_line", "cores": 2, "rows": [row], "recovery": []}
    print_table({**result, "gains": [gains]})
    assert "game FPS" in capsys.readouterr().out
