"""Recordings as sources, and what is wrong with broken ones."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from replay_helpers import grab_all, make_frame, open_fast, write_session

from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.replay import ReplaySource, read_image


def test_a_video_is_stamped_by_its_stream_and_numbered_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "video.mkv"
    frames = [make_frame(index, 0) for index in range(5)]
    video = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 50.0, (32, 24))
    for frame in frames:
        video.write(frame.pixels)
    video.release()
    replayed = grab_all(open_fast(path))
    assert [frame.captured_ns for frame in replayed] == [index * 20_000_000 for index in range(5)]
    assert [frame.frame_id for frame in replayed] == [0, 1, 2, 3, 4]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(frames, replayed, strict=True))


def test_images_come_in_natural_order_and_may_differ_in_size(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"shot {number}.png"), np.full((number, 5, 3), number, np.uint8))
    cv2.imwrite(str(tmp_path / "shot 5²3.png"), np.zeros((3, 5, 3), np.uint8))  # a digit, and no decimal
    (tmp_path / "notes.txt").write_text("not an image")
    source = open_fast(tmp_path)
    names = [path.name for path in source.paths]
    assert names == ["shot 1.png", "shot 2.png", "shot 5²3.png", "shot 10.png"]
    assert source.total == 4
    assert [frame.pixels.shape[0] for frame in grab_all(source)] == [1, 2, 3, 10]


def test_one_image_is_a_recording_of_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "bild-ü.png"
    path.write_bytes(cv2.imencode(".png", np.full((4, 6, 4), 9, np.uint8))[1].tobytes())
    (frame,) = grab_all(open_fast(path))
    assert frame.pixels.shape == (4, 6, 3)
    assert frame.region == Region(0, 0, 6, 4)


def test_paced_frames_come_when_they_were_recorded() -> None:
    now_ns = 500
    waits: list[float] = []

    class Closed(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal now_ns
            assert timeout is not None
            waits.append(timeout)
            now_ns += round(timeout * 1e9)
            return False

    stamps = [7_000, 8_000, 8_000, 20_000]
    frames = iter([make_frame(index, stamp) for index, stamp in enumerate(stamps)])
    source = ReplaySource(frames, lambda: now_ns, paced=True)
    source._closed = Closed()
    came = []
    while source.grab() is not None:
        came.append(now_ns)
    assert came == [500, 1_500, 1_500, 13_500]
    assert waits == pytest.approx([1e-6, 12e-6])


def test_a_paced_replay_can_be_closed_while_it_waits() -> None:
    frames = iter([make_frame(0, 0), make_frame(1, 3600 * 10**9)])
    source = ReplaySource(frames, monotonic_ns, paced=True)
    assert source.grab() is not None
    answers: list[Frame | None] = []
    thread = threading.Thread(target=lambda: answers.append(source.grab()))
    thread.start()
    source.close()
    thread.join(timeout=5)
    assert answers == [None]


def nothing(_path: Path) -> None:
    """Leave nothing there."""


def text_as_video(path: Path) -> None:
    path.write_text("this is no video")


def empty_file(path: Path) -> None:
    path.touch()


def empty_folder(path: Path) -> None:
    path.mkdir()


def rows_without_header(path: Path) -> None:
    write_session(path, [make_frame(0, 0)])
    (path / "header.json").unlink()


def header_alone(path: Path) -> None:
    write_session(path, [])


def torn_header(path: Path) -> None:
    write_session(path, [make_frame(0, 0)])
    (path / "header.json").write_text('{"format": 1')


def other_format(path: Path) -> None:
    write_session(path, [make_frame(0, 0)])
    (path / "header.json").write_text(json.dumps({"format": 99}))


def header_of_a_foreigner(path: Path) -> None:
    write_session(path, [make_frame(0, 0)])
    (path / "header.json").write_text(json.dumps({"format": 1}))


def no_rows(path: Path) -> None:
    write_session(path, [make_frame(0, 0)])
    (path / "frames.jsonl").unlink()


@pytest.mark.parametrize(
    ("make", "name", "says"),
    [
        (nothing, "missing", "found nothing"),
        (text_as_video, "video.mkv", "expected a video"),
        (empty_file, "video.mp4", "expected a video"),
        (empty_file, "image.png", "cannot be decoded"),
        (text_as_video, "image.png", "cannot be decoded"),
        (empty_folder, "folder", "expected images or a recorded session"),
        (rows_without_header, "session", r"expected header\.json"),
        (header_alone, "session", "0 rows"),
        (torn_header, "session", "expected JSON"),
        (other_format, "session", "got 99"),
        (header_of_a_foreigner, "session", "expected segment_frames"),
        (no_rows, "session", "expected a session's rows"),
    ],
)
def test_what_cannot_be_replayed_is_the_users_error(
    tmp_path: Path, make: Callable[[Path], None], name: str, says: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match=says) as caught:
        open_fast(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_broken_image_among_good_ones_is_named_when_it_is_reached(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "2.png").write_bytes(b"broken")
    source = open_fast(tmp_path)
    assert source.grab() is not None
    with pytest.raises(UserError, match=r"2\.png"):
        source.grab()


def test_reading_an_image_that_is_missing_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected an image"):
        read_image(tmp_path / "missing.png")
