"""Two results of a benchmark: what changed, and what is noise."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from aimbot.cli import app
from benchmarks.compare import collect_samples, run
from capture.errors import UserError


def make_loop(fps: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    rounds = [{"detect_fps": rng.normal(100, 5), "loop_fps": rng.normal(fps, 5)} for _ in range(24)]
    return {"model": "doom-nano", "loop_fps": fps, "rounds": rounds}


def test_a_change_beyond_the_noise_is_told_from_noise() -> None:
    rows = {row["figure"]: row for row in run(make_loop(90, 1), make_loop(99, 2))["rows"]}
    assert rows["rounds/loop_fps"]["changed"]
    low, high = rows["rounds/loop_fps"]["interval"]
    assert low < 0.1 < high
    assert not rows["rounds/detect_fps"]["changed"]


def test_the_same_result_twice_has_changed_in_nothing() -> None:
    assert not any(row["changed"] for row in run(make_loop(90, 1), make_loop(90, 1))["rows"])


def test_results_of_the_same_machine_seldom_differ_by_chance() -> None:
    told = [
        row["changed"]
        for seed in range(60)
        for row in run(make_loop(90, seed), make_loop(90, 500 + seed))["rows"]
    ]
    assert np.mean(told) < 0.05


def test_rows_go_by_their_names_whatever_their_order() -> None:
    rows = [
        {"model": name, "size": "640x480", "times_ms": [value] * 9} for name, value in (("a", 1), ("b", 2))
    ]
    found = dict(collect_samples({"rows": rows[::-1]}))
    assert {name: samples[0] for name, samples in found.items()} == {
        "rows/b/640x480/times_ms": 2,
        "rows/a/640x480/times_ms": 1,
    }


@pytest.mark.parametrize(
    "other", [{}, {"rounds": []}, {"rounds": [{"other": 1.0}] * 9}, {"rounds": [{"loop_fps": 1}] * 4}]
)
def test_results_without_a_figure_in_common_are_the_users_error(other: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="expected two results of the same benchmark"):
        run(make_loop(90, 1), other)


def test_what_grows_from_below_zero_has_a_change_upwards() -> None:
    (row,) = run({"offsets": [-10.0] * 9}, {"offsets": [-5.0] * 9})["rows"]
    assert (row["change"], row["interval"], row["changed"]) == (0.5, [0.5, 0.5], True)


@pytest.mark.parametrize(
    "odd",
    [[1.0] * 8 + [float("inf")], [1.0] * 8 + [10**400], [{"fps": 1.0}] * 8 + [3], [{"fps": 1.0}, {}] * 4],
)
def test_odd_samples_are_no_figure(odd: list[Any]) -> None:
    sound = {"fine": [1.0] * 9}
    assert [row["figure"] for row in run({**sound, "odd": odd}, {**sound, "odd": odd})["rows"]] == ["fine"]


def test_figures_of_one_result_alone_are_named() -> None:
    old, new = make_loop(90, 1), make_loop(90, 2)
    new["rounds"] = [{"loop_fps": row["loop_fps"], "new_fps": 1.0} for row in new["rounds"]]
    assert run(old, new)["unmatched"] == ["rounds/detect_fps", "rounds/new_fps"]


def test_the_command_prints_the_rows_and_says_what_is_no_result(tmp_path: Path) -> None:
    old, new, wrong = tmp_path / "old.json", tmp_path / "new.json", tmp_path / "wrong.json"
    old.write_text(json.dumps(make_loop(90, 1)))
    new.write_text(json.dumps(make_loop(99, 2)))
    wrong.write_text("[1, 2]")
    (tmp_path / "nan.json").write_text(json.dumps({"times_ms": [float("nan")] * 9}))
    printed = CliRunner().invoke(app, ["benchmark", "compare", str(old), str(new), "--json"])
    assert {row["figure"] for row in json.loads(printed.stdout)["rows"]} == {
        "rounds/detect_fps",
        "rounds/loop_fps",
    }
    assert "changed" in CliRunner().invoke(app, ["benchmark", "compare", str(old), str(new)]).stdout
    for path in (wrong, tmp_path / "none.json", tmp_path / "nan.json"):
        answer = CliRunner().invoke(app, ["benchmark", "compare", str(old), str(path)])
        assert isinstance(answer.exception, UserError)
        assert path.name in str(answer.exception)
