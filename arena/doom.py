"""ViZDoom in a visible window that takes real mouse input, scored from ground truth.

`python -m arena.doom` runs the game in a process of its own and prints one JSON event a line, so that
whoever plays it sees nothing but pixels.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import vizdoom as vzd

from arena.labels import find_monsters
from arena.score import Scorer, Tic, summarize

WINDOW_TITLE = "VIZDOOM"
TICS_PER_S = 35
SIZE_WH = (640, 480)


@contextmanager
def open_game(
    scenario: str, seed: int, visible: bool = True, game_args: str = "", endless: bool = False
) -> Iterator[vzd.DoomGame]:
    """A running game at 640×480 on the present DISPLAY; closed, with its settings file, at the end.

    game_args: console variables to set last, such as `+freelook 1`. endless: an episode has no time limit.
    """
    game = vzd.DoomGame()
    game.load_config(str(Path(vzd.scenarios_path) / f"{scenario}.cfg"))
    game.set_window_visible(visible)
    game.set_mode(vzd.Mode.ASYNC_SPECTATOR if visible else vzd.Mode.PLAYER)
    game.set_screen_resolution(vzd.ScreenResolution.RES_640X480)
    # Without the delta buttons among the available ones, mouse motion is dropped silently.
    buttons = [vzd.Button.ATTACK, vzd.Button.TURN_LEFT_RIGHT_DELTA, vzd.Button.LOOK_UP_DOWN_DELTA]
    game.set_available_buttons(buttons)
    variables = [vzd.GameVariable.KILLCOUNT, vzd.GameVariable.HITCOUNT]
    variables += [vzd.GameVariable.SELECTED_WEAPON_AMMO, vzd.GameVariable.ANGLE]
    game.set_available_game_variables(variables)
    game.set_labels_buffer_enabled(True)
    game.set_seed(seed)
    # The ini keeps console variables, and the game litters its working folder: fresh ones each time.
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        game.set_doom_config_path(str(Path(folder) / "doom.ini"))
        game.add_game_args("+mouse_sensitivity 1 +m_noprescale 0 +freelook 0 +viz_nocheat 0")
        game.add_game_args(game_args)
        if endless:
            game.set_episode_timeout(0)
        game.init()
        try:
            yield game
        finally:
            game.close()


def read_tic(game: vzd.DoomGame, state: vzd.GameState) -> Tic:
    """The scorer's view of a state."""
    kills, hits, ammo, angle = (float(v) for v in state.game_variables)
    seconds = game.get_episode_time() / TICS_PER_S
    return Tic(seconds, int(kills), int(hits), int(ammo), angle, [m.box for m in find_monsters(state, 1, 1)])


def emit(event: str, **fields: Any) -> None:
    """Print one JSON event."""
    print(json.dumps({"event": event, **fields}), flush=True)


def play_episodes(game: vzd.DoomGame, seconds: float) -> dict[str, Any]:
    """Let the game run for `seconds` of game time over as many episodes as it takes; returns the score."""
    episodes = []
    elapsed_s = 0.0
    while elapsed_s < seconds:
        game.new_episode()
        scorer = Scorer((SIZE_WH[0] / 2, SIZE_WH[1] / 2))
        while not game.is_episode_finished():
            state = game.get_state()
            if state is None:
                break
            scorer.add(read_tic(game, state))
            if elapsed_s + scorer.episode.seconds >= seconds:
                break
            game.advance_action()
        elapsed_s += max(scorer.episode.seconds, 1 / TICS_PER_S)
        episodes.append(scorer.episode)
        emit("episode", **asdict(scorer.episode))
    return summarize(episodes)


def main() -> None:
    """Command line of the game process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="defend_the_center")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--game-args", default="", help="as in --game-args='+freelook 1'")
    parser.add_argument("--endless", action="store_true", help="episodes without a time limit")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = {"game_args": arguments.game_args, "endless": arguments.endless}
    with open_game(arguments.scenario, arguments.seed, **options) as game:
        emit("ready", window=WINDOW_TITLE)
        sys.stdin.readline()  # the player says go
        emit("done", score=play_episodes(game, arguments.seconds))


if __name__ == "__main__":
    main()
