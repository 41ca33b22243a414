"""Boxes from the label buffer, on game states made by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from arena.labels import Box, Sprite, find_dying, find_monsters, find_things, is_hidden


def label(
    value: int, x: int, y: int, width: int, height: int, category: str = "Monster", name: str = "DoomImp"
) -> SimpleNamespace:
    return SimpleNamespace(
        value=value,
        object_id=100 + value,
        x=x,
        y=y,
        width=width,
        height=height,
        object_category=category,
        object_name=name,
    )


def state(*drawn: tuple[SimpleNamespace, tuple[int, int, int, int]]) -> Any:
    """Each label with the left, top, right, bottom of the pixels that carry its value."""
    buffer = np.zeros((480, 640), np.uint8)
    for one, (left, top, right, bottom) in drawn:
        buffer[top:bottom, left:right] = one.value
    return SimpleNamespace(labels=[one for one, _ in drawn], labels_buffer=buffer)


def find_boxes(state: Any) -> list[Box]:
    return [monster.box for monster in find_monsters(state)]


def test_a_box_covers_the_pixels_that_are_seen_and_not_the_whole_sprite() -> None:
    behind = state((label(7, 100, 50, 60, 80), (120, 50, 160, 130)))
    assert find_boxes(behind) == [(120.0, 50.0, 160.0, 130.0)]


def test_another_sprite_in_front_takes_its_pixels_away() -> None:
    pair = state(
        (label(7, 100, 50, 60, 80), (100, 50, 160, 130)), (label(8, 130, 40, 60, 100), (130, 40, 190, 140))
    )
    assert find_boxes(pair) == [(100.0, 50.0, 130.0, 130.0), (130.0, 40.0, 190.0, 140.0)]


def test_a_box_reaches_the_edge_of_the_screen() -> None:
    corner = state((label(3, 600, 440, 40, 40), (600, 440, 640, 480)))
    assert find_boxes(corner) == [(600.0, 440.0, 640.0, 480.0)]


def test_corpses_and_items_are_no_monsters() -> None:
    others = state(
        (label(1, 10, 10, 40, 40, "Gore"), (10, 10, 50, 50)),
        (label(2, 90, 10, 40, 40, "Health"), (90, 10, 130, 50)),
        (label(255, 290, 300, 60, 100, "Self"), (290, 300, 350, 400)),
    )
    assert find_boxes(others) == []


def test_a_handful_of_pixels_is_not_labelled() -> None:
    few = state((label(1, 10, 10, 6, 6), (10, 10, 14, 15)))  # 20 pixels
    thin = state((label(1, 10, 10, 4, 40), (10, 10, 14, 50)))  # 4 wide
    enough = state((label(1, 10, 10, 5, 5), (10, 10, 15, 15)))
    assert find_boxes(few) == find_boxes(thin) == []
    assert find_boxes(enough) == [(10.0, 10.0, 15.0, 15.0)]


def test_a_monster_that_is_wholly_hidden_is_not_labelled() -> None:
    hidden = state(
        (label(1, 10, 10, 40, 40), (10, 10, 50, 50)), (label(2, 5, 5, 60, 60, "Decoration"), (5, 5, 65, 65))
    )
    assert find_boxes(hidden) == []


def test_the_visible_share_counts_pixels_over_the_whole_sprite() -> None:
    (half,) = find_monsters(state((label(7, 100, 50, 60, 80), (130, 50, 160, 130))))
    assert half.visible_share == 0.5


def test_a_sliver_and_black_on_black_are_hidden() -> None:
    rng = np.random.default_rng(0)
    lit = rng.integers(0, 120, (480, 640, 3)).astype(np.uint8)
    dark = (lit // 30).astype(np.uint8)
    box = (100.0, 50.0, 160.0, 130.0)
    assert not is_hidden(Sprite(1, box, 0.5), lit)
    assert is_hidden(Sprite(1, box, 0.05), lit)
    assert is_hidden(Sprite(1, box, 0.5), dark)


def test_what_is_falling_is_told_from_what_lies() -> None:
    killed = state(
        (label(1, 10, 10, 30, 60, "Gore", "DeadDoomImp"), (10, 10, 40, 70)),
        (label(2, 100, 60, 60, 20, "Gore", "DeadDoomImp"), (100, 60, 160, 80)),
        (label(4, 300, 10, 30, 60, "Gore", "DeadExplosiveBarrel"), (300, 10, 330, 70)),
        (label(3, 200, 10, 30, 60), (200, 10, 230, 70)),
    )
    assert find_dying(killed) == [(10.0, 10.0, 40.0, 70.0)]


def test_things_of_a_class_are_found_by_its_name() -> None:
    two = state(
        (label(1, 10, 10, 20, 30, "Obstacle", "ExplosiveBarrel"), (10, 10, 30, 40)),
        (label(2, 100, 10, 20, 30), (100, 10, 120, 40)),
    )
    assert [sprite.box for sprite in find_things(two, "ExplosiveBarrel")] == [(10.0, 10.0, 30.0, 40.0)]


def test_two_monsters_keep_their_own_identities() -> None:
    two = state((label(7, 0, 0, 60, 80), (0, 0, 60, 80)), (label(9, 100, 0, 60, 80), (100, 0, 160, 80)))
    assert [(sprite.object_id, sprite.box[0]) for sprite in find_monsters(two)] == [(107, 0), (109, 100)]
