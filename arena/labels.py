"""Ground truth from ViZDoom's label buffer: boxes of the living monsters that are really visible."""

from typing import Any

import numpy as np

Box = tuple[float, float, float, float]

MIN_VISIBLE_PX = 24
MIN_SIDE_PX = 5
"""At 640×480: a label with fewer visible pixels, or a thinner box, is nothing that a person could see."""


def find_monsters(
    state: Any, min_visible_px: int = MIN_VISIBLE_PX, min_side_px: int = MIN_SIDE_PX
) -> list[Box]:
    """Left, top, right, bottom in pixels for each living monster in a game state.

    A label's own box respects walls and no other sprites, so each box is taken from the pixels of
    `labels_buffer` that carry the label's value. A killed monster's category changes to Gore at once.
    """
    boxes = []
    for label in state.labels:
        if label.object_category != "Monster":
            continue
        x, y = max(label.x, 0), max(label.y, 0)
        patch = state.labels_buffer[y : y + label.height + 1, x : x + label.width + 1] == label.value
        if np.count_nonzero(patch) < min_visible_px:
            continue
        rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
        left, top = x + float(columns[0]), y + float(rows[0])
        right, bottom = x + float(columns[-1]) + 1, y + float(rows[-1]) + 1
        if min(right - left, bottom - top) >= min_side_px:
            boxes.append((left, top, right, bottom))
    return boxes
