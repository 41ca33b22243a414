"""A recorded session on disk: its files, and how to read what is whole of them.

A folder with header.json (format, versions, settings), frames.jsonl (a row a frame) and the pixels in
segments of `segment_frames` frames each, frames-00000.mkv and so on: row i is frame i % segment_frames of
segment i // segment_frames. Segments bound what a kill costs: the muxer holds back up to five seconds, and
only the last segment can be cut.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from capture.errors import UserError
from capture.frame import Frame, Pixels, Region

FORMAT = 1
HEADER, ROWS = "header.json", "frames.jsonl"


@dataclass(frozen=True, slots=True)
class Session:
    """What a session's folder holds that is whole: as many rows as there are frames.

    rows: frame_id, captured_ns, region [left, top, width, height] and what the recorder was given besides.
    dropped_rows: rows without a picture, or torn; `warning` says so in a line, and is None without any.
    """

    folder: Path
    header: dict[str, Any]
    rows: list[dict[str, Any]]
    segments: list[Path]
    dropped_rows: int
    warning: str | None

    def iterate_frames(self) -> Iterator[Frame]:
        """The recorded frames, BGR, with their recorded ids, stamps and regions."""
        size = self.header["segment_frames"]
        for index, segment in enumerate(self.segments):
            rows = self.rows[index * size : (index + 1) * size]
            for row, pixels in zip(rows, _decode(segment), strict=False):
                region = Region(*row["region"])
                whole = pixels[: region.height_px, : region.width_px]  # encoders want even sizes
                yield Frame(whole, row["captured_ns"], row["frame_id"], region)


def segment_name(index: int) -> str:
    """File name of a segment."""
    return f"frames-{index:05d}.mkv"


def is_session(folder: Path) -> bool:
    """Whether a folder is, or was meant to be, a session."""
    return (folder / HEADER).exists() or (folder / ROWS).exists()


def read_session(path: Path) -> Session:
    """What is whole of a session, also of one whose recording was killed.

    UserError if there is no folder or header, the format is another, or no frame can be read.
    """
    header = _read_header(path)
    rows, torn = _read_rows(path / ROWS)
    segments, frames = _find_segments(path, header, len(rows))
    whole = rows[:frames]
    if not whole:
        raise UserError(f"expected a session with frames in {path}, got {len(rows)} rows, {frames} pictures")
    dropped = len(rows) - len(whole) + torn
    warning = None
    if dropped:
        warning = f"{path}: the recording was cut; {len(whole)} frames are whole, {dropped} rows were dropped"
    return Session(path, header, whole, segments, dropped, warning)


def _read_header(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise UserError(
            f"expected a session folder at {path}, found {'a file' if path.exists() else 'nothing'}"
        )
    try:
        header = json.loads((path / HEADER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"expected {HEADER} in {path}, found none; give a folder made by record") from None
    except (OSError, ValueError) as error:
        raise UserError(f"expected JSON in {path / HEADER}, got: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else header
        raise UserError(f"expected a session of format {FORMAT} in {path}, got {found!r}; record it again")
    if not isinstance(header.get("segment_frames"), int) or header["segment_frames"] < 1:
        raise UserError(f"expected segment_frames, a number above zero, in {path / HEADER}; record it again")
    return header


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Rows up to the first that is torn, and how many lines were left."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"expected a session's rows in {path}, got: {error}") from error
    rows: list[dict[str, Any]] = []
    for line in lines:
        try:
            row = json.loads(line)
            Region(*row["region"])
            _ = int(row["frame_id"]), int(row["captured_ns"])
        except (ValueError, KeyError, TypeError):
            break
        rows.append(row)
    return rows, len(lines) - len(rows)


def _find_segments(path: Path, header: dict[str, Any], rows: int) -> tuple[list[Path], int]:
    """The segments up to the first that is missing or cut, and the number of frames in them."""
    size = header["segment_frames"]
    segments: list[Path] = []
    frames = 0
    while frames < rows and (segment := path / segment_name(len(segments))).exists():
        following = path / segment_name(len(segments) + 1)
        is_whole = following.exists() and segment.stat().st_size > 0  # counting means decoding
        found = size if is_whole else sum(1 for _ in _decode(segment))
        segments.append(segment)
        frames += found
        if found < size:
            break
    return segments, frames


def _decode(segment: Path) -> Iterator[Pixels]:
    """Frames of a video, BGR, up to its end or to where it was cut."""
    if segment.stat().st_size == 0:  # just begun; opening it would only print a warning
        return
    video = cv2.VideoCapture(str(segment), cv2.CAP_FFMPEG)
    try:
        while True:
            is_read, pixels = video.read()
            if not is_read:
                return
            yield pixels
    finally:
        video.release()
