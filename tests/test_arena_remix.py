"""Remixed maps: what changes, and what must not."""

from pathlib import Path

import numpy as np
import pytest

from arena.maps import RESERVED_MAPS
from arena.remix import MONSTER_TYPES, training_textures, write_remix
from arena.wad import LINEDEF, NO_SIDE, SECTOR, SIDEDEF, THING, MapLumps, read_map

vizdoom = pytest.importorskip("vizdoom")
IWAD = Path(vizdoom.__file__).parent / "freedoom2.wad"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[MapLumps, MapLumps]:
    """MAP01 as it is, and remixed."""
    name = write_remix(IWAD, "MAP01", np.random.default_rng(3), tmp_path / "remix.wad")
    return read_map(IWAD, "MAP01"), read_map(tmp_path / "remix.wad", name)


def test_a_remix_has_other_walls_flats_lights_and_monsters_in_the_same_rooms(
    pair: tuple[MapLumps, MapLumps],
) -> None:
    before, after = pair
    for lump in ("LINEDEFS", "VERTEXES", "SEGS", "SSECTORS", "NODES", "REJECT", "BLOCKMAP"):
        assert before[lump] == after[lump]
    for lump, dtype, field in (
        ("SIDEDEFS", SIDEDEF, "middle"),
        ("SECTORS", SECTOR, "floor"),
        ("SECTORS", SECTOR, "light"),
        ("THINGS", THING, "type"),
    ):
        old, new = np.frombuffer(before[lump], dtype)[field], np.frombuffer(after[lump], dtype)[field]
        assert len(old) == len(new)
        assert (old != new).mean() > 0.2


def test_every_monster_is_still_a_monster_and_the_player_stays(pair: tuple[MapLumps, MapLumps]) -> None:
    old, new = (np.frombuffer(lumps["THINGS"], THING)["type"] for lumps in pair)
    assert np.isin(new[np.isin(old, MONSTER_TYPES)], MONSTER_TYPES).all()
    assert (new[old == 1] == 1).all()
    assert (old == 1).any()


def test_a_grate_that_one_can_see_through_stays_and_so_does_the_sky(pair: tuple[MapLumps, MapLumps]) -> None:
    before, _ = pair
    lines = np.frombuffer(before["LINEDEFS"], LINEDEF)
    two_sided = lines["right"][lines["left"] != NO_SIDE]
    old, new = (np.frombuffer(lumps["SIDEDEFS"], SIDEDEF)["middle"][two_sided] for lumps in pair)
    assert (old == new).all()
    old, new = (np.frombuffer(lumps["SECTORS"], SECTOR)["ceiling"] for lumps in pair)
    assert (old == b"F_SKY1").tolist() == (new == b"F_SKY1").tolist()


def test_no_texture_comes_from_a_reserved_map_alone() -> None:
    walls, flats = training_textures(IWAD)
    reserved: set[bytes] = set()
    for place in RESERVED_MAPS:
        wad, name = place.split("/")
        if wad == IWAD.stem:
            sides = np.frombuffer(read_map(IWAD, name)["SIDEDEFS"], SIDEDEF)
            reserved |= set(sides["upper"].tolist()) | set(sides["middle"].tolist())
    assert reserved - set(walls.tolist()) - {b"-"}  # such textures exist, and are left out
    assert len(walls) > 100
    assert len(flats) > 50


def test_a_file_that_is_no_wad_and_a_map_that_is_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "no.wad").write_bytes(b"JUNK" + bytes(8))
    with pytest.raises(ValueError, match="expected a WAD file"):
        read_map(tmp_path / "no.wad", "MAP01")
    with pytest.raises(ValueError, match="expected a map MAP99"):
        read_map(IWAD, "MAP99")
