"""Write a session to disk off the loop's thread; see capture/session.py for the files."""

import json
import os
import platform
import queue
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

from capture.clock import local_stamp
from capture.errors import UserError
from capture.frame import Frame, Pixels
from capture.session import FORMAT, HEADER, ROWS, segment_name

Codec = Literal["ffv1", "vp9"]
FOURCC = {"ffv1": "FFV1", "vp9": "VP90"}
PACKAGES = ("local-aim-assistant", "numpy", "opencv-python", "openvino", "mss")
SEGMENT_FRAMES = 32


class RecorderSettings(BaseModel):
    """How sessions are recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    codec: Codec = "ffv1"
    """ffv1 is lossless; vp9 is lossy and small, and too slow to record live: 150 ms a frame of 416 by 416."""


class SessionRecorder:
    """Records frames and rows; `write` never blocks.

    written: frames on their way to disk with their rows. dropped: the queue was full, or the frame had
    another size than the first: `other_size` of them did. failed: not written because of `error`, after
    which nothing more is.
    """

    def __init__(
        self,
        folder: Path,
        header: Mapping[str, Any],
        *,
        fps_hint: float,
        codec: Codec = "ffv1",
        queue_frames: int = 64,
        segment_frames: int = SEGMENT_FRAMES,
    ) -> None:
        """`fps_hint`: for players; the rows carry the real times. UserError if the folder cannot be used."""
        self.written = self.other_size = self.failed = self._overflowed = 0
        self.error: Exception | None = None
        self._folder, self._codec, self._fps, self._segment_frames = folder, codec, fps_hint, segment_frames
        self._rows = _start_session(folder, header, codec, segment_frames)
        self._video: cv2.VideoWriter | None = None
        self._size_wh: tuple[int, int] | None = None
        self._queue: queue.Queue[tuple[Frame, Mapping[str, object]] | None] = queue.Queue(queue_frames)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def write(self, frame: Frame, row: Mapping[str, object]) -> None:
        """Queue a frame and its row, or drop both; `row` holds JSON types and is not changed afterwards."""
        if self._closed:
            raise ValueError("expected an open recorder, it was closed")
        try:
            self._queue.put_nowait((frame, row))
        except queue.Full:
            self._overflowed += 1

    @property
    def dropped(self) -> int:
        """Frames that were left out, for whichever reason."""
        return self._overflowed + self.other_size

    def close(self) -> None:
        """Write what is queued and join the thread; UserError if something could not be written."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        if self.error is not None:
            raise UserError(
                f"expected to record to {self._folder}, got: {self.error}; "
                f"{self.written} frames are there, {self.failed} are not"
            ) from self.error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except UserError as failure:
            if error is None:
                raise
            error.add_note(str(failure))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self.error is None:
                try:
                    self._write(*item)
                except Exception as error:  # the loop must not die of a full disk
                    self.error = error
            self.failed += self.error is not None
        try:
            self._finish_segment()
            self._rows.close()
        except Exception as error:
            self.error = self.error or error

    def _write(self, frame: Frame, row: Mapping[str, object]) -> None:
        self._size_wh = self._size_wh or frame.size_wh
        if frame.size_wh != self._size_wh:
            self.other_size += 1
            return
        region = frame.region
        place = [region.left_px, region.top_px, region.width_px, region.height_px]
        stamp = {"frame_id": frame.frame_id, "captured_ns": frame.captured_ns, "region": place}
        line = json.dumps({**stamp, **row}, separators=(",", ":"))
        pixels = _pad_to_even(_convert_to_bgr(frame.pixels))
        if self.written % self._segment_frames == 0:
            self._finish_segment()
            self._video = self._open_segment(self.written // self._segment_frames, pixels)
        assert self._video is not None
        self._video.write(pixels)
        self._rows.write(line + "\n")
        self._rows.flush()
        self.written += 1

    def _open_segment(self, index: int, pixels: Pixels) -> cv2.VideoWriter:
        path = self._folder / segment_name(index)
        needed = self._segment_frames * pixels.nbytes
        free = shutil.disk_usage(self._folder).free
        if free < needed:  # OpenCV's encoder does not tell of a full disk
            raise OSError(
                f"the disk is full: {free >> 20} MiB are free, the next segment may need {needed >> 20}"
            )
        size_wh = (pixels.shape[1], pixels.shape[0])
        code = cv2.VideoWriter.fourcc(*FOURCC[self._codec])
        video = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, self._fps, size_wh)
        if not video.isOpened():
            raise OSError(f"cannot write {self._codec} video to {path}")
        return video

    def _finish_segment(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None


def _start_session(folder: Path, header: Mapping[str, Any], codec: Codec, segment_frames: int) -> TextIO:
    """Make the folder and its header; returns the open file of rows."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any((folder / name).exists() for name in (HEADER, ROWS)):
            raise UserError(f"expected a new folder to record to, got {folder}, which holds a session")
        whole = {
            **header,
            "format": FORMAT,
            "recorded": local_stamp(),
            "versions": read_versions(),
            "codec": codec,
            "segment_frames": segment_frames,
        }
        partial = folder / f"{HEADER}.partial"
        partial.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, folder / HEADER)
        return (folder / ROWS).open("x", encoding="utf-8")
    except OSError as error:
        raise UserError(f"expected a folder that can be written at {folder}, got: {error}") from error


def read_versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a recording, those that are installed."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _convert_to_bgr(pixels: Pixels) -> Pixels:
    return pixels if pixels.shape[2] == 3 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), np.uint8)


def _pad_to_even(pixels: Pixels) -> Pixels:
    """Repeat the last row and column where the size is odd: OpenCV's encoders cut them off."""
    height, width = pixels.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return pixels
    padded = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)
