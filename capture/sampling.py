"""Frames of a recording that are worth a look: evenly spaced in time, and each unlike the one before."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame, Pixels

THUMBNAIL_WH = (160, 120)


def sample_frames(frames: Iterable[Frame], every_s: float, min_change: float) -> Iterator[Frame]:
    """One frame of each `every_s`, the first that differs from the frame taken before.

    min_change: mean absolute difference of their thumbnails, in grey levels; 0 takes equal frames too.
    """
    first_ns: int | None = None
    slot = -1
    taken: NDArray[np.int16] | None = None
    for frame in frames:
        first_ns = frame.captured_ns if first_ns is None else first_ns
        now = int((frame.captured_ns - first_ns) / (every_s * 1e9))
        if now == slot:
            continue
        thumbnail = make_thumbnail(frame.pixels)
        if taken is not None and np.abs(thumbnail - taken).mean() < min_change:
            continue
        slot, taken = now, thumbnail
        yield frame


def make_thumbnail(pixels: Pixels) -> NDArray[np.int16]:
    """A small grey picture, int16 (120, 160), whose pixels are means of those of the frame."""
    small = cv2.resize(pixels[..., :3], THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.int16)
