"""A frame onto the network's canvas, and the canvas as the network takes it."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame
from detection.boxes import Letterbox, SizeWH, fit_letterbox
from detection.signature import ImageInput

DARKNET_GREY = 128  # what its letterbox_image fills with
ULTRALYTICS_GREY = 114  # what its models are trained with


class Canvas:
    """Scales frames to the network's input size; one buffer, used again for every frame."""

    def __init__(self, size_wh: SizeWH, padding: int = DARKNET_GREY, channels: int = 3) -> None:
        """`channels`: 3 for a network that takes BGR, 4 for BGRA."""
        self.size_wh = size_wh
        self._padding = padding
        self._letterbox = fit_letterbox(size_wh, size_wh)
        self._channels = channels
        self._pixels = np.full((1, size_wh[1], size_wh[0], channels), padding, np.uint8)

    def fit(self, size_wh: SizeWH) -> Letterbox:
        """Where a frame of that size lies on the canvas."""
        if size_wh == self._letterbox.size_wh:
            return self._letterbox
        return fit_letterbox(size_wh, self.size_wh)

    def place(self, frame: Frame) -> NDArray[np.uint8]:
        """The frame as uint8 (1, H, W, channels), valid until the next call; itself if it fits as it is."""
        pixels = frame.pixels
        if frame.size_wh == self.size_wh and pixels.shape[2] == self._channels and pixels.flags.c_contiguous:
            return pixels[None]
        if frame.size_wh != self._letterbox.size_wh:
            self._letterbox = self.fit(frame.size_wh)
            self._pixels[:] = self._padding
        (left, top), (width, height) = self._letterbox.offset_xy, self._letterbox.inner_wh
        if frame.size_wh != (width, height):
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        inner = self._pixels[0, top : top + height, left : left + width]
        if pixels.shape[2] == self._channels:
            inner[:] = pixels
        else:  # the colours are converted last, on the small image
            cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR if self._channels == 3 else cv2.COLOR_BGR2BGRA, dst=inner)
        return self._pixels


def fit_pixels(images: NDArray[np.uint8], image: ImageInput) -> NDArray[Any]:
    """Captured pixels, (1, H, W, channels), as a model takes them: as they are, or as planes of floats."""
    if not image.is_planar:
        return images
    planes: NDArray[Any] = cv2.dnn.blobFromImage(images[0], 1 / 255, swapRB=True)
    return planes.astype(image.type, copy=False)
