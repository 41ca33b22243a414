"""Recording a session, also through failures and a kill."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.errors import UserError
from capture.frame import Frame, Region
from capture.recorder import SessionRecorder
from capture.replay import read_session

ROOT = Path(__file__).parent.parent


def make_frame(frame_id: int, size_wh: tuple[int, int] = (32, 24), channels: int = 4) -> Frame:
    width, height = size_wh
    random = np.random.default_rng(frame_id)
    pixels = random.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Frame(pixels, 1000 + frame_id, frame_id, Region(5, 6, width, height))


def read_rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]


@contextmanager
def held_up(recorder: SessionRecorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The writer thread waits at its first frame until the event is set."""
    begun, go_on = threading.Event(), threading.Event()
    write = recorder._write

    def wait_then_write(frame: Frame, row: dict[str, object]) -> None:
        begun.set()
        go_on.wait()
        write(frame, row)

    monkeypatch.setattr(recorder, "_write", wait_then_write)
    recorder.write(make_frame(0), {})
    begun.wait()
    yield go_on
    go_on.set()


def test_a_row_holds_id_stamp_and_region_and_what_was_given(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path / "new" / "session", {}, fps_hint=35) as recorder:
        recorder.write(make_frame(7), {"command": {"dx_counts": -3}})
    (row,) = read_rows(tmp_path / "new" / "session")
    assert row == {
        "frame_id": 7,
        "captured_ns": 1007,
        "region": [5, 6, 32, 24],
        "command": {"dx_counts": -3},
    }
    assert recorder.written == 1


def test_the_header_is_there_from_the_start_with_versions_and_settings(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path, {"settings": {"a": 1}}, fps_hint=35)
    header = json.loads((tmp_path / "header.json").read_text())
    recorder.close()
    assert header["format"] == 1
    assert header["settings"] == {"a": 1}
    assert header["versions"]["opencv-python"]
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size_wh", [(32, 24), (33, 25), (16, 16)])
def test_ffv1_keeps_every_pixel_across_segments(
    tmp_path: Path, size_wh: tuple[int, int], channels: int
) -> None:
    frames = [make_frame(index, size_wh, channels) for index in range(7)]
    with SessionRecorder(tmp_path, {}, fps_hint=35, segment_frames=3) as recorder:
        for frame in frames:
            recorder.write(frame, {})
    session = read_session(tmp_path)
    assert len(session.segments) == 3
    read = [frame.pixels for frame in session.iterate_frames()]
    assert len(read) == 7
    assert all(np.array_equal(a.pixels[..., :3], b) for a, b in zip(frames, read, strict=True))


def test_vp9_keeps_the_picture_roughly(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 128, 2, dtype=np.uint8)[None, :, None], (48, 1, 3))
    frames = [Frame(smooth + np.uint8(index), index, index, Region(0, 0, 64, 48)) for index in range(5)]
    with SessionRecorder(tmp_path, {}, fps_hint=35, codec="vp9") as recorder:
        for frame in frames:
            recorder.write(frame, {})
    read = [frame.pixels for frame in read_session(tmp_path).iterate_frames()]
    assert len(read) == 5
    assert max(np.abs(a.pixels.astype(int) - b).mean() for a, b in zip(frames, read, strict=True)) < 8


def test_a_full_queue_drops_frame_and_row_together_and_never_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = SessionRecorder(tmp_path, {}, fps_hint=35, queue_frames=2)
    with held_up(recorder, monkeypatch):
        for index in range(1, 6):
            recorder.write(make_frame(index), {})
        assert recorder.dropped == 3
    recorder.close()
    session = read_session(tmp_path)
    assert [row["frame_id"] for row in session.rows] == [0, 1, 2]
    pixels = [frame.pixels for frame in session.iterate_frames()]
    assert all(np.array_equal(make_frame(i).pixels[..., :3], seen) for i, seen in enumerate(pixels))


def test_a_frame_of_another_size_is_left_out_and_counted(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path, {}, fps_hint=35) as recorder:
        for frame in (make_frame(0), make_frame(1, (20, 24)), make_frame(2)):
            recorder.write(frame, {})
    assert (recorder.written, recorder.other_size, recorder.dropped) == (2, 1, 1)
    assert [row["frame_id"] for row in read_rows(tmp_path)] == [0, 2]


def test_a_full_disk_stops_the_recording_is_counted_and_told_at_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullAfterOne:
        lines = 0

        def write(self, _text: str) -> None:
            self.lines += 1
            if self.lines > 1:
                raise OSError(28, "No space left on device")

        def flush(self) -> None:
            """Nothing to do."""

        def close(self) -> None:
            """Nothing to do."""

    recorder = SessionRecorder(tmp_path, {}, fps_hint=35)
    recorder._rows.close()
    monkeypatch.setattr(recorder, "_rows", FullAfterOne())
    for index in range(5):
        recorder.write(make_frame(index), {})
    with pytest.raises(UserError, match=r"No space left on device; 1 frames are there, 4 are not"):
        recorder.close()
    assert (recorder.written, recorder.failed) == (1, 4)
    recorder.close()


def test_a_segment_that_may_not_fit_on_the_disk_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = SessionRecorder(tmp_path, {}, fps_hint=35, segment_frames=2)
    usage = shutil.disk_usage(tmp_path)
    free = iter([usage.free, 2 * 32 * 24 * 3, 2 * 32 * 24 * 3 - 1])
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=next(free)))
    for index in range(6):
        recorder.write(make_frame(index), {})
    with pytest.raises(UserError, match=r"the disk is full: .*4 frames are there, 2 are not"):
        recorder.close()
    session = read_session(tmp_path)
    assert (len(session.rows), session.warning) == (4, None)


def test_a_row_that_is_no_json_is_told_at_close_not_in_the_loop(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path, {}, fps_hint=35)
    recorder.write(make_frame(0), {"array": np.zeros(3)})
    with pytest.raises(UserError, match="not JSON serializable"):
        recorder.close()


def record_and_fail(folder: Path) -> None:
    with SessionRecorder(folder, {}, fps_hint=35) as recorder:
        recorder.write(make_frame(0), {"array": np.zeros(3)})
        raise ZeroDivisionError


def test_a_failed_recording_does_not_hide_the_error_that_ended_the_run(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        record_and_fail(tmp_path)
    assert "not JSON serializable" in caught.value.__notes__[0]


def test_an_encoder_that_cannot_start_is_told_at_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda _self: False, raising=True)
    recorder = SessionRecorder(tmp_path, {}, fps_hint=35)
    recorder.write(make_frame(0), {})
    with pytest.raises(UserError, match="cannot write ffv1 video"):
        recorder.close()


def test_a_session_is_never_overwritten(tmp_path: Path) -> None:
    SessionRecorder(tmp_path, {"run": 1}, fps_hint=35).close()
    with pytest.raises(UserError, match="holds a session"):
        SessionRecorder(tmp_path, {"run": 2}, fps_hint=35)
    assert json.loads((tmp_path / "header.json").read_text())["run"] == 1


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can be written"):
        SessionRecorder(tmp_path / "file" / "session", {}, fps_hint=35)


def test_writing_to_a_closed_recorder_is_a_mistake_and_no_thread_is_left(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path, {}, fps_hint=35)
    recorder.close()
    with pytest.raises(ValueError, match="closed"):
        recorder.write(make_frame(0), {})
    assert "recorder" not in [thread.name for thread in threading.enumerate()]


ENDLESS = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_capture_recorder import make_frame
from capture.clock import sleep_s
from capture.recorder import SessionRecorder

recorder = SessionRecorder(Path(sys.argv[1]), {}, fps_hint=35, segment_frames=32)
index = 0
while True:
    recorder.write(make_frame(index, (64, 48)), {"index": index})
    index += 1
    if recorder.written > 100:
        print(recorder.written, flush=True)
    sleep_s(0.002)
"""


def test_a_killed_recording_loses_less_than_one_segment(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path / "session")], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    session = read_session(tmp_path / "session")
    frames = list(session.iterate_frames())
    assert len(frames) == len(session.rows) >= 96
    assert session.dropped_rows <= 33  # a segment, and a torn row
    assert [row["index"] for row in session.rows] == [frame.frame_id for frame in frames]
    assert all(np.array_equal(make_frame(f.frame_id, (64, 48)).pixels[..., :3], f.pixels) for f in frames)
