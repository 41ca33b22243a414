"""A room to look around in: a panorama, and what a camera in its middle sees."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 2048, 1024
BLOCKS = 900


@dataclass(frozen=True, slots=True)
class Gaze:
    """Where the camera looks: yaw to the right, pitch down, in degrees."""

    yaw_deg: float
    pitch_deg: float


def paint_panorama(seed: int = 1) -> Picture:
    """An equirectangular picture (1024, 2048, 3) BGR of blocks of all sizes; no two directions look alike."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), (96, 104, 112), np.uint8)
    for _ in range(BLOCKS):
        left, top = int(rng.integers(WIDTH_PX)), int(rng.integers(HEIGHT_PX))
        width, height = (int(size) for size in rng.integers(8, 120, 2))
        colour = [int(level) for level in rng.integers(20, 235, 3)]
        for turn in (0, WIDTH_PX):  # a block over the seam goes on at the other side
            corner = (left - turn, top)
            cv2.rectangle(picture, corner, (corner[0] + width, top + height), colour, cv2.FILLED)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.uint8)


class Camera:
    """Renders views of a panorama, in true perspective, with square pixels."""

    def __init__(self, panorama: Picture, size_wh: tuple[int, int], fov_deg: float) -> None:
        """`fov_deg` is horizontal."""
        self._panorama, self._size = panorama, size_wh
        width, height = size_wh
        focal = width / 2 / math.tan(math.radians(fov_deg) / 2)
        # Pixel centres, so that the picture's centre lies between the middle pixels.
        self._right = np.tile((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / focal, (height, 1))
        self._down = np.tile(
            ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / focal)[:, None], (1, width)
        )
        self._pitch_deg = math.nan
        self._map_x = self._map_y = self._right

    def render(self, gaze: Gaze) -> Picture:
        """The picture (H, W, 3) BGR that this gaze sees."""
        if gaze.pitch_deg != self._pitch_deg:
            self._aim_maps(gaze.pitch_deg)
        width = self._panorama.shape[1]
        map_x = self._map_x + np.float32(gaze.yaw_deg % 360 / 360 * width)
        return np.asarray(
            cv2.remap(self._panorama, map_x, self._map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP),
            np.uint8,
        )

    def _aim_maps(self, pitch_deg: float) -> None:
        """Where in the panorama each pixel looks at yaw 0."""
        self._pitch_deg = pitch_deg
        cos, sin = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
        ahead, down = cos - sin * self._down, sin + cos * self._down
        flat, azimuth = cv2.cartToPolar(ahead, self._right)
        height, width = self._panorama.shape[:2]
        self._map_x = azimuth * np.float32(width / (2 * math.pi)) - np.float32(0.5)
        elevation = np.arctan2(down, flat)
        self._map_y = (elevation / np.float32(math.pi) + np.float32(0.5)) * np.float32(height) - np.float32(
            0.5
        )
