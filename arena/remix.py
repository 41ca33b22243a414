"""Domain randomization: a training map with other textures, sky, lights, monsters and decorations.

What a detector learns of twenty maps it unlearns on the next; walls, sky and monsters that are drawn anew
for each job leave it nothing but the monsters to learn (Tobin et al., 2017). All textures come from the
training maps, so nothing of the reserved maps is seen before its time.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena.maps import TRAIN_MAPS
from arena.wad import LINEDEF, MAP_LUMPS, NO_SIDE, SECTOR, SIDEDEF, THING, MapLumps, read_map, write_wad

MAP_NAME = "MAP01"
MONSTER_TYPES = (3004, 9, 65, 3001, 3002, 58, 3006, 3005, 69, 3003, 68, 71, 66, 67, 64, 16)
"""Editor numbers of all monsters but the Spider Mastermind, which fits in no room."""
# fmt: off
DECORATION_TYPES = (
    2028, 2035, 10, 12, 15, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 41,
    42, 43, 44, 45, 46, 47, 48, 54, 55, 56, 57, 79, 80, 81, 85, 86, 2001, 2011, 2012, 2018, 2048,
)
# fmt: on
"""Pillars, lamps, trees, torches, remains, barrels and a few items, all of which stand on the floor."""
MONSTER_SHARE, TEXTURE_SHARE, DECORATION_SHARE = 0.7, 0.85, 0.5
DARKEST, BRIGHTEST = 72, 255


def write_remix(iwad: Path, name: str, rng: np.random.Generator, out: Path) -> str:
    """Write a PWAD with a remixed map of `iwad`; returns the name that the map has in it."""
    lumps = read_map(iwad, name)
    walls, flats = training_textures(iwad)
    lumps["THINGS"] = _replace_things(lumps["THINGS"], rng)
    lumps["SIDEDEFS"] = _replace_walls(lumps, walls, rng)
    lumps["SECTORS"] = _replace_flats(lumps["SECTORS"], flats, rng)
    sky = str(rng.choice(walls), "ascii")
    info = f'map {MAP_NAME} "remix"\n{{\nsky1 = "{sky}"\n}}\n'.encode("ascii")
    content = [(MAP_NAME, b""), *((lump, lumps[lump]) for lump in MAP_LUMPS)]
    write_wad(out, [("MAPINFO", info), *content])
    return MAP_NAME


@cache
def training_textures(iwad: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Wall and flat names that the training maps of a WAD use, sorted."""
    walls: set[bytes] = set()
    flats: set[bytes] = set()
    for place in TRAIN_MAPS:
        wad, name = place.split("/")
        if wad != iwad.stem:
            continue
        lumps = read_map(iwad, name)
        sides = np.frombuffer(lumps["SIDEDEFS"], SIDEDEF)
        for part in ("upper", "lower", "middle"):
            walls.update(sides[part].tolist())
        sectors = np.frombuffer(lumps["SECTORS"], SECTOR)
        flats.update(sectors["floor"].tolist(), sectors["ceiling"].tolist())
    return np.array(sorted(walls - {b"-", b""})), np.array(sorted(flats - {b"F_SKY1", b""}))


def _replace_things(lump: bytes, rng: np.random.Generator) -> bytes:
    things = np.frombuffer(lump, THING).copy()
    for types, share in ((MONSTER_TYPES, MONSTER_SHARE), (DECORATION_TYPES, DECORATION_SHARE)):
        chosen = np.isin(things["type"], types) & (rng.random(len(things)) < share)
        things["type"][chosen] = rng.choice(types, int(chosen.sum()))
    return things.tobytes()


def _replace_walls(lumps: MapLumps, names: NDArray[Any], rng: np.random.Generator) -> bytes:
    sides = np.frombuffer(lumps["SIDEDEFS"], SIDEDEF).copy()
    lines = np.frombuffer(lumps["LINEDEFS"], LINEDEF)
    two_sided = lines[lines["left"] != NO_SIDE]
    see_through = np.isin(np.arange(len(sides)), np.concatenate([two_sided["left"], two_sided["right"]]))
    swap = _draw_swap(np.concatenate([sides[part] for part in ("upper", "lower", "middle")]), names, rng)
    for part in ("upper", "lower"):
        sides[part] = [swap.get(name, name) for name in sides[part].tolist()]
    # A grate between two sectors stays: a solid wall there would hide what the engine says is seen.
    middle = [swap.get(name, name) for name in sides["middle"].tolist()]
    sides["middle"] = np.where(see_through, sides["middle"], np.array(middle, "S8"))
    return sides.tobytes()


def _replace_flats(lump: bytes, names: NDArray[Any], rng: np.random.Generator) -> bytes:
    sectors = np.frombuffer(lump, SECTOR).copy()
    swap = _draw_swap(np.concatenate([sectors["floor"], sectors["ceiling"]]), names, rng)
    for part in ("floor", "ceiling"):
        sectors[part] = [swap.get(name, name) for name in sectors[part].tolist()]
    light = sectors["light"] * rng.uniform(0.6, 1.2) + rng.uniform(-24, 48)
    light += rng.normal(0, 16, len(sectors))
    sectors["light"] = np.clip(light, DARKEST, BRIGHTEST).astype(np.int16)
    return sectors.tobytes()


def _draw_swap(used: NDArray[Any], names: NDArray[Any], rng: np.random.Generator) -> dict[bytes, bytes]:
    """One replacement for each name, the same in the whole map, so that rooms hang together."""
    kept = {b"-", b"", b"F_SKY1"}
    return {
        name: rng.choice(names)
        for name in sorted(set(used.tolist()))
        if name not in kept and rng.random() < TEXTURE_SHARE
    }
