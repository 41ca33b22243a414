"""An .mp4 of pictures: what the annotated videos are written with."""

from pathlib import Path
from typing import Self

import cv2
import numpy as np

from capture.errors import UserError
from capture.frame import Pixels


class VideoFile:
    """An .mp4 of BGR pictures, opened with the first and of its size; finished when it is left."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, picture: Pixels) -> None:
        """Append a picture (H, W, 3), scaled if it is of another size; UserError if it cannot be written."""
        size_wh = (picture.shape[1], picture.shape[0])
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._size_wh = size_wh
            self._writer = cv2.VideoWriter(str(self._path), code, self._fps, size_wh)
            if not self._writer.isOpened():
                raise UserError(
                    f"expected to write a video to {self._path}, OpenCV cannot; choose another --out"
                )
        if size_wh != self._size_wh:  # OpenCV would leave it out without a word
            picture = letterbox(picture, self._size_wh)
        self._writer.write(picture)


def letterbox(picture: Pixels, size_wh: tuple[int, int]) -> Pixels:
    """The whole picture in the middle of a black one of the given size."""
    width, height = size_wh
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner_wh = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    left, top = (width - inner_wh[0]) // 2, (height - inner_wh[1]) // 2
    placed = np.zeros((height, width, 3), np.uint8)
    placed[top : top + inner_wh[1], left : left + inner_wh[0]] = cv2.resize(picture, inner_wh)
    return placed
