"""The records that capture emits: a region of the screen, and a frame taken of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle on the virtual screen, in pixels from its top-left corner."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        if self.width_px <= 0 or self.height_px <= 0:
            raise ValueError(f"expected a region with a positive size, got {self}")

    def __str__(self) -> str:
        return f"{self.left_px},{self.top_px},{self.width_px},{self.height_px}"

    def clamp_to(self, bounds: "Region") -> "Region | None":
        """The part of this region inside `bounds`, or None if they do not overlap."""
        left, top = max(self.left_px, bounds.left_px), max(self.top_px, bounds.top_px)
        right = min(self.left_px + self.width_px, bounds.left_px + bounds.width_px)
        bottom = min(self.top_px + self.height_px, bounds.top_px + bounds.height_px)
        return Region(left, top, right - left, bottom - top) if right > left and bottom > top else None

    def crop_centre(self, width_px: int, height_px: int) -> "Region":
        """A region of at most the given size around this region's centre, and inside it."""
        width, height = min(width_px, self.width_px), min(height_px, self.height_px)
        left = self.left_px + (self.width_px - width) // 2
        top = self.top_px + (self.height_px - height) // 2
        return Region(left, top, width, height)


@dataclass(frozen=True, slots=True)
class Frame:
    """Pixels and when they were taken.

    pixels: uint8 (H, W, 3 or 4), BGR or BGRA, as captured; owned by the frame and not written again.
    captured_ns: monotonic time, stamped beside the grab and copied unchanged to the end.
    frame_id: counts up by one for every frame that the source emits.
    region: where on the screen the pixels come from.
    """

    pixels: Pixels
    captured_ns: int
    frame_id: int
    region: Region

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]
