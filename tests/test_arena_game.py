"""The whole product in a real game: it sees a window's pixels, and moves a mouse."""

from pathlib import Path
from typing import Any

import pytest

from aimbot.commands.common import gather_settings
from aimbot.commands.demo import play
from arena.doom import Walk, open_game, play_episode
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


class Blaster:
    """A game in which nobody dies and the button is pressed again and again."""

    def __init__(self, game: Any) -> None:
        self._game = game

    def __getattr__(self, name: str) -> Any:
        return getattr(self._game, name)

    def new_episode(self) -> None:
        self._game.new_episode()
        self._game.send_game_command("god")

    def advance_action(self) -> None:
        self._game.make_action([self._game.get_episode_time() % 20 < 10, 0, 0])


def test_an_episode_ends_soon_after_the_last_round() -> None:
    with open_game("defend_the_center", 1, visible=False) as game:
        blaster = Blaster(game)
        episode = play_episode(blaster, Walk(blaster, ()), 0, seconds=60.0, empty_s=0.5)
    assert episode.shots == 26
    assert episode.seconds < 26 * 20 / 35 + 1.5
