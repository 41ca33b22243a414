"""Ground truth from ViZDoom's label buffer: boxes of the living monsters that are really visible."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

MIN_VISIBLE_PX = 24
MIN_SIDE_PX = 5
"""At 640×480: a label with fewer visible pixels, or a thinner box, is nothing that a person could see."""
MIN_VISIBLE_SHARE = 0.1
MIN_CONTRAST = 12.0
"""Brightness, 0 to 255, between the 5th and the 95th percentile of a box's pixels."""

MONSTERS = frozenset(
    [
        "Zombieman",
        "ShotgunGuy",
        "ChaingunGuy",
        "DoomImp",
        "Demon",
        "Spectre",
        "LostSoul",
        "Cacodemon",
        "HellKnight",
        "BaronOfHell",
        "Arachnotron",
        "PainElemental",
        "Revenant",
        "Fatso",
        "Archvile",
        "WolfensteinSS",
        "Cyberdemon",
        "SpiderMastermind",
    ]
)
"""The names of their classes; a killed one has Dead before it."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """A thing on the screen; `object_id` stays its own for an episode.

    box: left, top, right, bottom of its visible pixels. visible_share: visible pixels over the area of the
    whole sprite's box (an unhidden sprite fills about half of it).
    """

    object_id: int
    box: Box
    visible_share: float


def find_monsters(
    state: Any, min_visible_px: int = MIN_VISIBLE_PX, min_side_px: int = MIN_SIDE_PX
) -> list[Sprite]:
    """The living monsters of a game state whose labels buffer is enabled.

    A killed monster's category changes to Gore at once.
    """
    labels = [label for label in state.labels if label.object_category == "Monster"]
    return _measure_all(labels, state.labels_buffer, min_visible_px, min_side_px)


def find_things(state: Any, name: str) -> list[Sprite]:
    """The things of one class of the game's, such as ExplosiveBarrel."""
    labels = [label for label in state.labels if label.object_name == name]
    return _measure_all(labels, state.labels_buffer, MIN_VISIBLE_PX, MIN_SIDE_PX)


def find_dying(state: Any) -> list[Box]:
    """Boxes of what was just killed and has not fallen yet: on a single picture it looks alive."""
    labels = [
        label
        for label in state.labels
        if label.object_category == "Gore"
        and label.object_name.removeprefix("Dead") in MONSTERS
        and label.height > label.width
    ]
    return [s.box for s in _measure_all(labels, state.labels_buffer, MIN_VISIBLE_PX, MIN_SIDE_PX)]


def _measure_all(labels: list[Any], buffer: Any, min_visible_px: int, min_side_px: int) -> list[Sprite]:
    sprites = [_measure(label, buffer, min_visible_px, min_side_px) for label in labels]
    return [sprite for sprite in sprites if sprite is not None]


def _measure(label: Any, buffer: Any, min_visible_px: int, min_side_px: int) -> Sprite | None:
    """A label's visible pixels; None if they are too few.

    A label's own box respects walls and no other sprites, so the box is taken from the pixels of the buffer
    that carry the label's value; the player's weapon takes pixels away there too.
    """
    x, y = max(label.x, 0), max(label.y, 0)
    patch = buffer[y : y + label.height + 1, x : x + label.width + 1] == label.value
    visible = int(np.count_nonzero(patch))
    if visible < min_visible_px:
        return None
    rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
    left, top = x + int(columns[0]), y + int(rows[0])
    right, bottom = x + int(columns[-1]) + 1, y + int(rows[-1]) + 1
    if min(right - left, bottom - top) < min_side_px:
        return None
    box = (float(left), float(top), float(right), float(bottom))
    return Sprite(label.object_id, box, visible / max(label.width * label.height, 1))


def is_hidden(sprite: Sprite, pixels: NDArray[np.uint8]) -> bool:
    """Whether nobody could tell what is there from the picture alone, (H, W, 3): a sliver of it shows
    behind others, or it is black on black.
    """
    left, top, right, bottom = (int(value) for value in sprite.box)
    low, high = np.percentile(pixels[top:bottom, left:right].mean(axis=2), (5, 95))
    return sprite.visible_share < MIN_VISIBLE_SHARE or high - low < MIN_CONTRAST
