"""Varied game states to label: maps from many viewpoints, scenarios, and remixed maps."""

import math
import tempfile
from collections.abc import Generator, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import vizdoom as vzd

from arena.labels import MONSTERS, find_dying, find_monsters
from arena.maps import SCENARIOS
from arena.remix import write_remix
from arena.views import choose_viewpoint, read_walls

SCREEN_WIDTH_PX = 640
SCENES_PER_MAP_START = 25
FRUITLESS_STARTS = 3
WEAPONS = (
    "Fist",
    "Chainsaw",
    "Pistol",
    "Shotgun",
    "SuperShotgun",
    "Chaingun",
    "RocketLauncher",
    "PlasmaRifle",
)
ALL_WEAPONS_SHARE = 0.6
KILLED_CLASS_SHARE = 0.1
"""Of the views where deaths are wanted, in how many all things of the looked-at class fall at once; those of
the weaker classes burst."""
SHOT_SHARE = 0.5
"""In how many what is in sight is shot at, and falls as in a game."""
VOLLEY = 40
"""Moments of 1 to 6 tics, at most: most monsters fall within."""
FOCAL_PX = SCREEN_WIDTH_PX / 2
"""Of 90 degrees."""


@dataclass(frozen=True, slots=True)
class Place:
    """A map ("freedoom2/MAP01") or a scenario's name; a remixed map looks unlike itself."""

    name: str
    remixed: bool = False


def iterate_scenes(
    place: Place, rng: np.random.Generator, sought: frozenset[str] = MONSTERS, shows_deaths: bool = False
) -> Generator[Any, None, None]:
    """Game states without end, the same for the same generator; the game closes with the iterator.

    On maps the view goes near things of the classes `sought`. With `shows_deaths` many of them are killed
    before the player's eyes.
    """
    with open_headless(place, rng) as game:
        if place.name in SCENARIOS:
            yield from _scenario_scenes(game, rng, shows_deaths)
        else:
            yield from _map_scenes(game, rng, sought, shows_deaths)


@contextmanager
def open_headless(place: Place, rng: np.random.Generator) -> Iterator[vzd.DoomGame]:
    """A game without a window; HUD, weapon and crosshair are drawn from the generator."""
    game = vzd.DoomGame()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        game.set_doom_config_path(str(Path(folder) / "doom.ini"))
        if place.name in SCENARIOS:
            game.load_config(str(Path(vzd.scenarios_path) / f"{place.name}.cfg"))
            game.set_episode_timeout(0)
        else:
            wad, name = place.name.split("/")
            iwad = Path(vzd.__file__).parent / f"{wad}.wad"
            if place.remixed:
                pwad = Path(folder) / "remix.wad"
                name = write_remix(iwad, name, rng, pwad)
                game.set_doom_scenario_path(str(pwad))
            game.set_doom_game_path(str(iwad))
            game.set_doom_map(name)
            game.set_objects_info_enabled(True)
            game.set_sectors_info_enabled(True)
        game.set_window_visible(False)
        game.set_mode(vzd.Mode.PLAYER)
        game.set_screen_resolution(vzd.ScreenResolution.RES_640X480)
        game.set_screen_format(vzd.ScreenFormat.BGR24)
        game.set_labels_buffer_enabled(True)
        buttons = [vzd.Button.TURN_LEFT_RIGHT_DELTA, vzd.Button.MOVE_FORWARD, vzd.Button.ATTACK]
        game.set_available_buttons(buttons)
        game.set_available_game_variables([vzd.GameVariable.ANGLE])
        game.set_render_hud(bool(rng.random() < 0.5))
        game.set_render_weapon(bool(rng.random() < 0.8))
        game.set_render_crosshair(bool(rng.random() < 0.5))
        game.set_render_screen_flashes(bool(rng.random() < 0.5))
        game.set_seed(int(rng.integers(1 << 30)))
        game.init()
        try:
            yield game
        finally:
            game.close()


def _map_scenes(
    game: vzd.DoomGame, rng: np.random.Generator, sought: frozenset[str], shows_deaths: bool
) -> Iterator[Any]:
    """Stand at varied distances from what is sought, looking roughly at one; then walk a little.

    Ends where a map has nothing of it, or offers no view, for some starts.
    """
    fruitless = 0
    while fruitless < FRUITLESS_STARTS:
        fruitless += 1
        game.new_episode()
        game.send_game_command("god")
        armed = rng.random() < ALL_WEAPONS_SHARE
        if armed:
            game.send_game_command("give weapons")
            game.send_game_command("give ammo")
        game.make_action([0, 0, 0], 2)
        state = game.get_state()
        walls = read_walls(state)
        hunted = rng.random() < 0.5  # else the monsters stand as they are placed
        if not hunted:
            game.send_game_command("notarget")
        for _ in range(SCENES_PER_MAP_START):
            state = game.get_state()
            if state is None:
                break
            things = [o for o in state.objects if o.name in sought]
            if not things:
                break
            thing = things[int(rng.integers(len(things)))]
            view = choose_viewpoint(walls, (thing.position_x, thing.position_y), rng)
            if view is None:
                continue
            x, y, angle = view
            if armed and rng.random() < 0.3:
                game.send_game_command(f"use {WEAPONS[int(rng.integers(len(WEAPONS)))]}")
            game.send_game_command(f"warp {x:.0f} {y:.0f}")
            game.make_action([0, 0, 0], 1)
            wanted = angle + rng.normal(0, 18)
            turn = (game.get_game_variable(vzd.GameVariable.ANGLE) - wanted + 180) % 360 - 180
            game.make_action([turn, 0, 0], 1)
            fate = rng.random() if shows_deaths else 1.0
            if SHOT_SHARE <= fate < SHOT_SHARE + KILLED_CLASS_SHARE:
                game.send_game_command(f"kill {thing.name}")
            for state in _volley(game, rng) if fate < SHOT_SHARE else _walk(game, rng):
                fruitless = 0
                yield state


def _walk(game: vzd.DoomGame, rng: np.random.Generator) -> Iterator[Any]:
    """Look about, go a little, fire now and then."""
    for _ in range(int(rng.integers(1, 5))):
        fire = rng.random() < 0.25
        game.make_action([rng.normal(0, 4), int(rng.random() < 0.5), int(fire)], int(rng.integers(2, 9)))
        state = game.get_state()
        if state is None:
            return
        yield state


def _scenario_scenes(game: vzd.DoomGame, rng: np.random.Generator, shows_deaths: bool) -> Iterator[Any]:
    """Turn and fire at random in a scenario, so that monsters come near and corpses lie about."""
    while True:
        game.new_episode()
        if rng.random() < 0.5:
            game.send_game_command("god")
        for _ in range(int(rng.integers(40, 160))):
            if shows_deaths and rng.random() < SHOT_SHARE:
                yield from _volley(game, rng)
            if game.is_episode_finished():
                break
            forward = int(rng.random() < 0.2)
            game.make_action([rng.normal(0, 12), forward, int(rng.random() < 0.3)], int(rng.integers(2, 10)))
            if game.is_episode_finished():
                break
            yield game.get_state()


def _volley(game: vzd.DoomGame, rng: np.random.Generator) -> Iterator[Any]:
    """Fire at the largest monster in sight, and at the next; look at it behind the flash, and as it falls."""
    state = game.get_state()
    falls = state is not None and bool(find_dying(state))
    for _ in range(VOLLEY):
        if state is None:
            return
        boxes = [monster.box for monster in find_monsters(state)]
        if not boxes and not falls:
            return
        turn = 0.0
        if not falls:
            left, _, right, _ = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
            turn = math.degrees(math.atan2((left + right) / 2 - SCREEN_WIDTH_PX / 2, FOCAL_PX))
        tics = int(rng.integers(1, 4) if falls else rng.integers(1, 7))
        game.make_action([turn + rng.normal(0, 1.5), 0, int(not falls)], tics)
        state = game.get_state()
        falls = state is not None and bool(find_dying(state))
        if state is not None:
            yield state
