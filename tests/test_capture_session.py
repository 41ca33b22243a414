"""Sessions that were recorded: what is read back, and what is said of damage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from replay_helpers import grab_all, make_frame, open_fast, write_session

from capture.errors import UserError
from capture.replay import read_session


def test_a_session_gives_back_pixels_ids_stamps_and_regions(tmp_path: Path) -> None:
    recorded = [make_frame(3 * index, 10**12 + index**2 * 10**6, (33, 25)) for index in range(10)]
    write_session(tmp_path, recorded)
    source = open_fast(tmp_path)
    assert source.session is not None
    assert [row["double"] for row in source.session.rows] == [6 * index for index in range(10)]
    assert (source.total, source.session.warning, source.session.header["note"]) == (10, None, "x")
    replayed = grab_all(source)
    assert len(replayed) == len(recorded)
    for before, after in zip(recorded, replayed, strict=True):
        assert np.array_equal(before.pixels, after.pixels)
        assert before.captured_ns == after.captured_ns
        assert (before.frame_id, before.region) == (after.frame_id, after.region)


def test_a_torn_last_row_is_left_out_and_told(tmp_path: Path) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(6)])
    rows = tmp_path / "frames.jsonl"
    rows.write_bytes(rows.read_bytes()[:-9])
    session = read_session(tmp_path)
    assert (len(session.rows), session.dropped_rows) == (5, 1)
    assert session.warning is not None
    assert "1 rows were dropped" in session.warning
    assert len(grab_all(open_fast(tmp_path))) == 5


def test_rows_beyond_the_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(6)])
    (tmp_path / "frames-00001.mkv").write_bytes(b"")
    session = read_session(tmp_path)
    assert (len(session.rows), session.dropped_rows) == (4, 2)
    assert [frame.frame_id for frame in grab_all(open_fast(tmp_path))] == [0, 1, 2, 3]


def test_a_segment_without_pictures_ends_what_is_whole(tmp_path: Path) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(11)])
    (tmp_path / "frames-00001.mkv").write_bytes(b"")
    assert [frame.frame_id for frame in grab_all(open_fast(tmp_path))] == [0, 1, 2, 3]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_segment_that_is_missing_in_the_middle_is_named(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(11)])
    damage(tmp_path / "frames-00001.mkv")
    session = read_session(tmp_path)
    assert session.warning == (
        f"{tmp_path}: frames-00001.mkv is missing or damaged; 4 frames are whole, 7 rows were dropped"
    )


def test_a_segment_that_is_damaged_in_the_middle_is_an_error_once_it_is_reached(tmp_path: Path) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(11)])
    path = tmp_path / "frames-00001.mkv"
    path.write_bytes(path.read_bytes()[:-4000])
    source = open_fast(tmp_path)
    for index in range(4):
        frame = source.grab()
        assert frame is not None
        assert frame.frame_id == index
    with pytest.raises(UserError, match=r"frames-00001\.mkv, got \d, the file is damaged; remove it"):
        grab_all(source)
    source.close()
    path.unlink()
    assert len(grab_all(open_fast(tmp_path))) == 4


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "maximum recursion"),
        ("7", "input should be a valid dictionary"),
        ('{"captured_ns":1,"region":[3,4,32,24]}', "frame_id: field required"),
        ('{"frame_id":"1","captured_ns":1,"region":[3,4,32,24]}', "frame_id: "),
        ('{"frame_id":1,"captured_ns":1e30,"region":[3,4,32,24]}', "captured_ns: "),
        ('{"frame_id":1,"captured_ns":1,"region":[3,4,32]}', r"region\.3: field required"),
        ('{"frame_id":1,"captured_ns":1,"region":[3,4,0,24]}', r"region\.2: "),
        ('{"frame_id":0,"captured_ns":1,"region":[3,4,32,24]}', "a frame_id or captured_ns that goes back"),
    ],
)
def test_a_row_that_is_damaged_is_named_by_its_line(tmp_path: Path, line: str, fault: str) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(4)])
    rows = (tmp_path / "frames.jsonl").read_text().splitlines()
    (tmp_path / "frames.jsonl").write_text("\n".join([rows[0], line, *rows[2:]]) + "\n")
    with pytest.raises(UserError, match=rf"frames\.jsonl, line 2, got {fault}[^\n]*$"):
        read_session(tmp_path)


def test_pictures_beyond_the_rows_are_left_out(tmp_path: Path) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(6)])
    rows = tmp_path / "frames.jsonl"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:5]))
    assert len(grab_all(open_fast(tmp_path))) == 5


def test_a_session_without_its_first_pictures_has_no_frames(tmp_path: Path) -> None:
    write_session(tmp_path, [make_frame(index, index) for index in range(6)])
    (tmp_path / "frames-00000.mkv").unlink()
    with pytest.raises(UserError, match="expected a session with frames"):
        open_fast(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_reading_a_session_that_is_no_folder_is_the_users_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="expected a session folder"):
        read_session(tmp_path / name)
