"""Recorded frames as a source: a session, a video, a folder of images, one image."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from capture.clock import Clock
from capture.errors import UserError
from capture.frame import Frame, Pixels, Region
from capture.session import Session, is_session, read_session

__all__ = ["ReplaySource", "Session", "open_replay", "read_session"]

IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
NOMINAL_HZ = 30.0
"""Pace of what carries no time: images, and videos without stamps."""


class ReplaySource:
    """Frames from an iterator, as fast as they are grabbed or at their recorded pace.

    total: how many frames there are, None where only reading tells. paths: the files of an image folder,
    which frame_id indexes; empty for others. session: the session replayed, with its rows; None for others.
    """

    def __init__(self, frames: Iterator[Frame], clock: Clock, paced: bool, total: int | None = None) -> None:
        self.total = total
        self.paths: list[Path] = []
        self.session: Session | None = None
        self._frames, self._clock, self._paced = frames, clock, paced
        self._offset_ns: int | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def grab(self) -> Frame | None:
        """The next frame, or None after the last; UserError for an image that cannot be read."""
        with self._lock:
            frame = None if self._closed.is_set() else next(self._frames, None)
            if frame is not None and self._paced:
                self._wait_for(frame.captured_ns)
            return None if self._closed.is_set() else frame

    def close(self) -> None:
        """End the replay and free the file; a waiting `grab` returns None."""
        self._closed.set()
        with self._lock:
            self._frames = iter(())  # drops the reader, which releases the file

    def _wait_for(self, captured_ns: int) -> None:
        if self._offset_ns is None:
            self._offset_ns = self._clock() - captured_ns
        while (remaining_ns := captured_ns + self._offset_ns - self._clock()) > 0:
            if self._closed.wait(remaining_ns / 1e9):
                return


def open_replay(path: Path, paced: bool, clock: Clock) -> ReplaySource:
    """A recording as a source; `paced` keeps the time between frames, else they come as they are asked for.

    UserError if there is nothing at `path`, or nothing in it that can be read.
    """
    if not path.exists():
        raise UserError(
            f"expected a session folder, a video, an image or a folder of images at {path}, found nothing"
        )
    if path.is_dir():
        if is_session(path):
            session = read_session(path)
            source = ReplaySource(session.iterate_frames(), clock, paced, len(session.rows))
            source.session = session
            return source
        paths = find_images(path)
        if not paths:
            raise UserError(f"expected images or a recorded session in {path}, found neither")
    elif path.suffix.lower() in IMAGES:
        paths = [path]
    else:
        return ReplaySource(_read_video(_open_video(path)), clock, paced)
    read_image(paths[0])
    source = ReplaySource(_read_images(paths), clock, paced, len(paths))
    source.paths = paths
    return source


def find_images(folder: Path) -> list[Path]:
    """The images of a folder, in natural order: 2.png before 10.png."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES and path.is_file()]
    return sorted(found, key=lambda path: _natural_key(path.name))


def read_image(path: Path) -> Pixels:
    """An image as uint8 (H, W, 3) BGR; UserError if it cannot be read."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"expected an image at {path}, got: {error}") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if pixels is None:
        raise UserError(f"expected an image at {path}, got a file that cannot be decoded; remove it")
    return np.asarray(pixels, np.uint8)


def _read_images(paths: list[Path]) -> Iterator[Frame]:
    for index, path in enumerate(paths):
        yield _make_frame(read_image(path), int(index * 1e9 / NOMINAL_HZ), index)


def _open_video(path: Path) -> cv2.VideoCapture:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if video.isOpened() and video.grab() and video.retrieve()[0]:
        return video
    video.release()
    raise UserError(f"expected a video at {path}, found no frame that can be read; give another")


def _read_video(video: cv2.VideoCapture) -> Iterator[Frame]:
    """The frames of a video whose first is already grabbed, stamped by the stream."""
    step_ns = 1e9 / (video.get(cv2.CAP_PROP_FPS) or NOMINAL_HZ)
    index, captured_ns = 0, 0
    try:
        while True:
            is_read, pixels = video.retrieve()
            if not is_read:
                return
            stamp_ns = int(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            if index and stamp_ns <= captured_ns:  # a stream without stamps
                stamp_ns = captured_ns + int(step_ns)
            captured_ns = stamp_ns
            yield _make_frame(np.asarray(pixels, np.uint8), captured_ns, index)
            index += 1
            if not video.grab():
                return
    finally:
        video.release()


def _make_frame(pixels: Pixels, captured_ns: int, frame_id: int) -> Frame:
    return Frame(pixels, captured_ns, frame_id, Region(0, 0, pixels.shape[1], pixels.shape[0]))


def _natural_key(name: str) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", name.casefold())
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
