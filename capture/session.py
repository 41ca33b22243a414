"""A recorded session on disk: its files, and how to read what is whole of them.

A folder with header.json (format, versions, settings), frames.jsonl (a row a frame) and the pixels in
segments of `segment_frames` frames each, frames-00000.mkv and so on: row i is frame i % segment_frames of
segment i // segment_frames. Segments bound what a kill costs: the muxer holds back up to five seconds, and
only the last segment can be cut. So a last row or segment that is cut is left out, with a warning; what is
damaged before is an error, which names it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
from pydantic import BaseModel, Field, ValidationError

from capture.errors import UserError
from capture.frame import Frame, Pixels, Region

FORMAT = 1
HEADER, ROWS = "header.json", "frames.jsonl"
Whole = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Size = Annotated[int, Field(strict=True, gt=0, lt=2**31)]


class Row(BaseModel):
    """What every row holds; the recorder's callers add to it."""

    frame_id: Whole
    captured_ns: Whole
    region: tuple[Whole, Whole, Size, Size]


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
        """The recorded frames, BGR, with their recorded ids, stamps and regions.

        UserError where a segment turns out to be damaged, after the frames before.
        """
        size = self.header["segment_frames"]
        for index, segment in enumerate(self.segments):
            rows = self.rows[index * size : (index + 1) * size]
            read = 0
            for row, pixels in zip(rows, _decode(segment), strict=False):
                region = Region(*row["region"])
                whole = pixels[: region.height_px, : region.width_px]  # encoders want even sizes
                if whole.shape[:2] != (region.height_px, region.width_px):
                    break
                yield Frame(whole, row["captured_ns"], row["frame_id"], region)
                read += 1
            if read < len(rows):
                raise UserError(
                    f"expected {len(rows)} pictures of the rows' size in {segment}, got {read}, the file is "
                    "damaged; remove it to use what was recorded before"
                )


def segment_name(index: int) -> str:
    """File name of a segment."""
    return f"frames-{index:05d}.mkv"


def is_session(folder: Path) -> bool:
    """Whether a folder is, or was meant to be, a session."""
    return (folder / HEADER).exists() or (folder / ROWS).exists()


def read_session(path: Path) -> Session:
    """What is whole of a session, also of one whose recording was killed.

    UserError if there is no folder or header, the format is another, a row before the last is damaged, or no
    frame can be read. A segment that is damaged before the last one shows only when it is read.
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
        ends = frames // header["segment_frames"]
        is_cut = not (path / segment_name(ends + 1)).exists()
        cause = "the recording was cut" if is_cut else f"{segment_name(ends)} is missing or damaged"
        warning = f"{path}: {cause}; {len(whole)} frames are whole, {dropped} rows were dropped"
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
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"expected JSON in {path / HEADER}, got: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else header
        raise UserError(f"expected a session of format {FORMAT} in {path}, got {found!r}; record it again")
    segment_frames = header.get("segment_frames")
    if type(segment_frames) is not int or segment_frames < 1:
        raise UserError(f"expected segment_frames, a number above zero, in {path / HEADER}; record it again")
    return header


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """All rows, and how many lines were left out: a last one that was torn; UserError for one before."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UserError(f"expected a session's rows in {path}, got: {error}") from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            Row.model_validate(row)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and not line.endswith(b"\n"):
                return rows, 1
            fault = describe_fault(error) if isinstance(error, ValidationError) else str(error)
            raise blame_line(path, number, fault) from error
        if rows and (row["frame_id"] <= rows[-1]["frame_id"] or row["captured_ns"] < rows[-1]["captured_ns"]):
            raise blame_line(path, number, "a frame_id or captured_ns that goes back")
        rows.append(row)
    return rows, 0


def blame_line(path: Path, number: int, fault: str) -> UserError:
    """The error for a line of a file, counted from 1, that is not what it should be."""
    return UserError(f"expected a row of a session in {path}, line {number}, got {fault}; record it again")


def describe_fault(error: ValidationError) -> str:
    """The first thing that is wrong, in a part of a line."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    fault = first["msg"].lower().removeprefix("value error, ")
    return f"{name}: {fault}" if name else fault


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
