"""The whole product in a real game: it sees a window's pixels, and moves a mouse."""

from pathlib import Path

import pytest

from aimbot.commands.common import gather_settings
from aimbot.commands.demo import play
from benchmarks.arena.run import run
from capture.session import read_session


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


@pytest.mark.usefixtures("xvfb_display")
def test_the_oracle_kills_by_the_games_truth_and_the_pictures_find_their_tics() -> None:
    settings = gather_settings("doom", ["aim.controller.search_deg_per_s=60", "loop.budget_ms=300"])
    result = run(settings, ["defend_the_line"], ["oracle"], episodes=1, episode_s=6.0)
    (row,) = result["rows"]
    assert row["kills"] >= 2
    assert row["unpaired"] < 0.2
    assert row["recall"] > 0.5
    assert (row["scenario"], row["player"], len(row["episodes"])) == ("defend_the_line", "oracle", 1)
