"""The whole product in a real game: it sees a window's pixels, and moves a mouse."""

from pathlib import Path

import pytest

from aimbot.commands.common import gather_settings
from aimbot.commands.demo import play
from arena.score import Episode, Scorer, Tic, summarize
from capture.session import read_session

BOX = (300.0, 200.0, 340.0, 280.0)


@pytest.mark.usefixtures("xvfb_display")
def test_in_a_real_game_the_view_turns_to_a_monster_and_the_shot_hits(tmp_path: Path) -> None:
    """On a slow machine the budget is wider: this is about what happens, not about how fast."""
    overrides = ["aim.controller.search_deg_per_s=60", "loop.budget_ms=300"]
    summary = play(gather_settings("doom", overrides), 25.0, 1, tmp_path / "session")
    assert summary["hits"] >= 1
    assert summary["kills"] >= 1
    assert summary["moves"] > 10
    session = read_session(tmp_path / "session")
    turned = [row for row in session.rows if row["target"] and row["applied"]["dx_counts"]]
    fired = [row for row in session.rows if row["applied"]["fire"]]
    assert turned
    assert fired
    assert all(row["target"] for row in fired if row["command"]["fire"])


def tic(seconds: float, kills: int = 0, hits: int = 0, ammo: int = 26, boxes: tuple[object, ...] = ()) -> Tic:
    return Tic(seconds, kills, hits, ammo, 0.0, list(boxes))  # type: ignore[arg-type]


def score(*tics: Tic) -> Episode:
    scorer = Scorer((320.0, 240.0))
    for one in tics:
        scorer.add(one)
    return scorer.episode


def test_a_shot_is_ammunition_that_is_gone_and_a_new_clip_is_none() -> None:
    assert score(tic(0, ammo=26), tic(1, ammo=25), tic(2, ammo=35), tic(3, ammo=33)).shots == 3


def test_time_to_target_runs_from_the_first_sight_to_the_crosshair_inside() -> None:
    aside = (500.0, 200.0, 540.0, 280.0)
    episode = score(tic(0), tic(1, boxes=(aside,)), tic(1.5, boxes=(aside,)), tic(1.75, boxes=(BOX,)))
    assert episode.time_to_target_s == [0.75]


def test_a_monster_out_of_sight_starts_the_time_anew() -> None:
    aside = (500.0, 200.0, 540.0, 280.0)
    assert score(
        tic(0, boxes=(aside,)), tic(1), tic(2, boxes=(aside,)), tic(2.5, boxes=(BOX,))
    ).time_to_target_s == [0.5]


def test_leaving_a_living_monster_is_an_overshoot_and_leaving_a_dead_one_is_none() -> None:
    aside = (330.0, 200.0, 370.0, 280.0)
    assert score(tic(0, boxes=(BOX,)), tic(1, boxes=(aside,))).overshoots == 1
    assert score(tic(0, boxes=(BOX,)), tic(1, kills=1, boxes=(aside,))).overshoots == 0


def test_a_summary_adds_up_and_survives_no_shots() -> None:
    total = summarize([Episode(30, 3, 4, 5, 1, [0.1, 0.3]), Episode(30, 1, 1, 5, 0, [0.2])])
    assert (total["kills"], total["shots"], total["hit_rate"], total["kills_a_minute"]) == (4, 10, 0.5, 4.0)
    assert total["time_to_target_ms"] == 200
    assert summarize([Episode()])["hit_rate"] == 0.0
