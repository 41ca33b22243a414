"""An .mp4 of pictures: what the annotated videos are written with."""

from pathlib import Path
from typing import Self

import cv2

from capture.errors import UserError
from capture.frame import Pixels


class VideoFile:
    """An .mp4 of BGR pictures of one size, opened with the first; finished when it is left."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, picture: Pixels) -> None:
        """Append a picture (H, W, 3); UserError if the video cannot be written."""
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            size_wh = (picture.shape[1], picture.shape[0])
            self._writer = cv2.VideoWriter(str(self._path), code, self._fps, size_wh)
            if not self._writer.isOpened():
                raise UserError(
                    f"expected to write a video to {self._path}, OpenCV cannot; choose another --out"
                )
        self._writer.write(picture)
