"""How far a picture moved between two looks, patch by patch, by phase correlation."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Pixels

Picture = NDArray[np.float32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MAX_WIDTH_PX = 960
PATCH_SHARE = 5
"""The picture's width holds this many patches side by side; they overlap by half."""
MIN_TEXTURE = 3.0
"""Standard deviation, in grey levels, below which a patch says nothing."""
MOVED_LEVELS, MOVED_SHARE = 6.0, 0.1
"""A patch in which fewer pixels than this share changed by so many levels is the HUD, or has not moved."""
MIN_RESPONSE = 0.15
INLIER_PX = 2.0


@dataclass(frozen=True, slots=True)
class PatchShifts:
    """Where patches of one picture are in another.

    xy_px: (N, 2) centres, from the picture's centre, x to the right and y down.
    shift_px: (N, 2) how far each is moved.
    textured: how many patches there are with texture, those that did not move included.
    """

    xy_px: Floats
    shift_px: Floats
    textured: int

    @property
    def share(self) -> float:
        """How many of the patches with texture took part in the motion."""
        return len(self.xy_px) / self.textured if self.textured else 0.0


def to_picture(pixels: Pixels) -> Picture:
    """Grey float32 (H, W) of BGR(A) pixels; what is wider than 960 is made smaller, which costs no angle."""
    code = cv2.COLOR_BGRA2GRAY if pixels.shape[2] == 4 else cv2.COLOR_BGR2GRAY
    grey = cv2.cvtColor(pixels, code)
    scale = MAX_WIDTH_PX / grey.shape[1]
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.float32)


def patch_size_px(size_wh: tuple[int, int]) -> int:
    """The side of a patch: even, and no larger than the picture."""
    return min(size_wh[0] // PATCH_SHARE, size_wh[1] // 2) // 2 * 2


def find_moved(before: Picture, after: Picture) -> Mask:
    """The pixels (H, W) that changed: all but the HUD and what has no texture."""
    return np.asarray(np.abs(before - after) > MOVED_LEVELS)


def measure_shifts(before: Picture, after: Picture, moved: Mask | None = None) -> PatchShifts:
    """The shift of each patch that has texture and moves.

    moved: the pixels that move with the view, where that is known better than from these two pictures.
    """
    height, width = before.shape
    side = patch_size_px((width, height))
    window = cv2.createHanningWindow((side, side), cv2.CV_32F)
    moved = find_moved(before, after) if moved is None else moved
    centres, shifts, textured = [], [], 0
    for top in _starts(height, side):
        for left in _starts(width, side):
            part = np.s_[top : top + side, left : left + side]
            if before[part].std() < MIN_TEXTURE:
                continue
            textured += 1
            if moved[part].mean() < MOVED_SHARE:
                continue
            # Without its mean: the window's own shape, times the mean, would be found at a shift of 0.
            was, now = (picture[part] - picture[part].mean() for picture in (before, after))
            shift, response = cv2.phaseCorrelate(was, now, window)
            if response >= MIN_RESPONSE:
                centres.append((left + side / 2 - width / 2, top + side / 2 - height / 2))
                shifts.append(shift)
    return PatchShifts(np.reshape(centres, (-1, 2)), np.reshape(shifts, (-1, 2)), textured)


def find_common(values: Floats, tolerance: float = INLIER_PX) -> tuple[float, float]:
    """The value that most others lie near, and the share of those: (0, 0) of none.

    The mean of those within `tolerance` of the one that has the most neighbours.
    """
    if not values.size:
        return 0.0, 0.0
    near = np.abs(values[:, None] - values[None, :]) <= tolerance
    chosen = near[int(near.sum(axis=1).argmax())]
    return float(values[chosen].mean()), float(chosen.mean())


def _starts(length: int, side: int) -> range:
    return range(0, length - side + 1, side // 2)
