"""ViZDoom in a visible window that takes real mouse input, scored from ground truth.

`python -m arena.doom` runs the game in a process of its own and prints one JSON event a line, so that
whoever plays it sees nothing but pixels.
"""

import argparse
import json
import math
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import vizdoom as vzd

from arena.labels import find_monsters
from arena.score import Episode, Scorer, summarize
from arena.truth import Monster, Tic, encode_tic, fingerprint, wrap_deg
from capture.clock import monotonic_ns

WINDOW_TITLE = "VIZDOOM"
TICS_PER_S = 35
SIZE_WH = (640, 480)
FOV_DEG = 90.0
POSTS = {"deadly_corridor": ((450.0, 0.0), (870.0, 0.0))}
"""Where the player is put next once nothing near it lives, for nobody presses its keys to walk there."""
NEAR = 300.0
PUT_S = 0.2  # until the states show that the player was put elsewhere


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a game ends: after so much game time in all, or so many episodes of a longest duration.

    empty_s: an episode ends so long after the last round is fired, for what follows is waiting for the end.
    """

    seconds: float = math.inf
    episodes: float = math.inf
    episode_s: float = math.inf
    empty_s: float = math.inf


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
    game.set_screen_format(vzd.ScreenFormat.BGR24)  # as a capture of the window has it
    # Without the delta buttons among the available ones, mouse motion is dropped silently.
    buttons = [vzd.Button.ATTACK, vzd.Button.TURN_LEFT_RIGHT_DELTA, vzd.Button.LOOK_UP_DOWN_DELTA]
    game.set_available_buttons(buttons)
    variables = [vzd.GameVariable.KILLCOUNT, vzd.GameVariable.HITCOUNT]
    variables += [vzd.GameVariable.SELECTED_WEAPON_AMMO, vzd.GameVariable.ATTACK_READY]
    variables += [vzd.GameVariable.HEALTH, vzd.GameVariable.ANGLE]
    variables += [vzd.GameVariable.POSITION_X, vzd.GameVariable.POSITION_Y]
    game.set_available_game_variables(variables)
    game.set_labels_buffer_enabled(True)
    game.set_objects_info_enabled(True)
    game.set_seed(seed)
    # The ini keeps console variables, and the game litters its working folder: fresh ones each time.
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        game.set_doom_config_path(str(Path(folder) / "doom.ini"))
        game.add_game_args("+mouse_sensitivity 1 +m_noprescale 0 +freelook 1 +viz_nocheat 0 +sv_cheats 1")
        game.add_game_args(game_args)
        if endless:
            game.set_episode_timeout(0)
        game.init()
        try:
            yield game
        finally:
            game.close()


def read_tic(game: vzd.DoomGame, state: vzd.GameState, episode: int) -> Tic:
    """What a state says of the player, the living monsters and the picture."""
    kills, hits, ammo, ready, health, angle_deg, x, y = (float(v) for v in state.game_variables)
    boxes = {sprite.object_id: sprite.box for sprite in find_monsters(state)}
    monsters = []
    for thing in state.objects:
        if thing.category == "Monster":
            away_x, away_y = thing.position_x - x, thing.position_y - y
            bearing_deg = wrap_deg(angle_deg - math.degrees(math.atan2(away_y, away_x)))
            box = boxes.get(thing.id)
            monsters.append(Monster(thing.id, bearing_deg, math.hypot(away_x, away_y), box))
    return Tic(
        episode=episode,
        episode_s=game.get_episode_time() / TICS_PER_S,
        kills=int(kills),
        hits=int(hits),
        ammo=int(ammo),
        is_ready=ready > 0,
        health=health,
        angle_deg=angle_deg,
        picture=fingerprint(state.screen_buffer),
        monsters=monsters,
    )


def emit(event: str, **fields: Any) -> None:
    """Print one JSON event."""
    print(json.dumps({"event": event, **fields}), flush=True)


def play_episodes(game: vzd.DoomGame, scenario: str, limits: Limits) -> dict[str, Any]:
    """Let the game run until a limit is reached; tells each tic and episode, and returns the score."""
    episodes: list[Episode] = []
    elapsed_s = 0.0
    while elapsed_s < limits.seconds and len(episodes) < limits.episodes:
        walk = Walk(game, POSTS.get(scenario, ()))
        seconds = min(limits.seconds - elapsed_s, limits.episode_s)
        episode = play_episode(game, walk, len(episodes), seconds, limits.empty_s)
        elapsed_s += max(episode.seconds, 1 / TICS_PER_S)
        episodes.append(episode)
        emit("episode", **asdict(episode))
    return summarize(episodes)


class Walk:
    """Puts the player from post to post, whoever plays; the episode ends with nothing near the last one."""

    def __init__(self, game: vzd.DoomGame, posts: Sequence[tuple[float, float]]) -> None:
        self._game, self._posts, self._has_posts = game, list(posts), bool(posts)
        self._put_s = 0.0

    def go_on(self, tic: Tic) -> bool:
        """Go to the next post if nothing near lives; returns False at the end of the walk."""
        if not self._has_posts or tic.episode_s < self._put_s + PUT_S:
            return True
        if any(monster.distance < NEAR for monster in tic.monsters):
            return True
        if not self._posts:
            return False
        x, y = self._posts.pop(0)
        self._game.send_game_command(f"warp {x:.0f} {y:.0f}")
        self._put_s = tic.episode_s
        return True


def play_episode(
    game: vzd.DoomGame, walk: Walk, number: int, seconds: float, empty_s: float = math.inf
) -> Episode:
    """One episode, up to its end, for `seconds` of game time, or for `empty_s` without ammunition."""
    game.new_episode()
    scorer = Scorer(SIZE_WH, FOV_DEG)
    armed_s, began_ns = 0.0, monotonic_ns()
    while not game.is_episode_finished() and scorer.episode.seconds < seconds:
        state = game.get_state()
        if state is None:
            break
        tic = read_tic(game, state, number)
        emit("tic", **encode_tic(tic))
        scorer.add(tic)
        scorer.episode.pictures += 1
        armed_s = tic.episode_s if tic.ammo > 0 else armed_s
        if tic.episode_s - armed_s >= empty_s or not walk.go_on(tic):
            break
        game.advance_action()
    scorer.episode.wall_s = (monotonic_ns() - began_ns) / 1e9
    scorer.episode.died = bool(game.is_player_dead())
    return scorer.episode


def main() -> None:
    """Command line of the game process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="defend_the_center")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--episodes", type=float, default=math.inf)
    parser.add_argument("--episode-seconds", type=float, default=math.inf)
    parser.add_argument("--empty-seconds", type=float, default=math.inf)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--game-args", default="", help="as in --game-args='+freelook 1'")
    parser.add_argument("--endless", action="store_true", help="episodes without a time limit")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = {"game_args": arguments.game_args, "endless": arguments.endless}
    with open_game(arguments.scenario, arguments.seed, **options) as game:
        emit("ready", window=WINDOW_TITLE)
        sys.stdin.readline()  # the player says go
        limits = Limits(
            arguments.seconds, arguments.episodes, arguments.episode_seconds, arguments.empty_seconds
        )
        emit("done", score=play_episodes(game, arguments.scenario, limits))


if __name__ == "__main__":
    main()
