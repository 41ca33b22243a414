"""The contract that every frame source keeps, and the settings that open a live one."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import OpenWindow
from pydantic import ValidationError

from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.recorder import SessionRecorder
from capture.replay import ReplaySource, open_replay
from capture.source import CaptureSettings, FrameSource, open_source, parse_region

FRAMES = 3
SIZE_WH = (32, 24)


@dataclass
class Case:
    """A source with at least three frames, and what makes the next one appear."""

    source: FrameSource
    change: Callable[[int], None] = field(default=lambda _index: None)
    is_finite: bool = True


def make_frames(count: int = FRAMES) -> list[Frame]:
    width, height = SIZE_WH
    return [
        Frame(
            np.full((height, width, 3), 40 * index, np.uint8),
            index * 10**7,
            index,
            Region(0, 0, width, height),
        )
        for index in range(count)
    ]


def write_video(path: Path) -> None:
    video = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 50.0, SIZE_WH)
    for frame in make_frames():
        video.write(frame.pixels)
    video.release()


def write_session(path: Path) -> None:
    with SessionRecorder(path, {}, fps_hint=50.0) as recorder:
        for frame in make_frames():
            recorder.write(frame, {})


def write_images(path: Path) -> None:
    path.mkdir()
    for frame in make_frames():
        cv2.imwrite(str(path / f"{frame.frame_id}.png"), frame.pixels)


@pytest.fixture(params=["list", "video", "session", "images", "screen", "window"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    kind = request.param
    if kind in ("screen", "window"):
        open_window: OpenWindow = request.getfixturevalue("open_window")
        window = open_window(region=Region(100, 80, *SIZE_WH))
        settings = (
            {"window": "painted"} if kind == "window" else {"region": f"100,80,{SIZE_WH[0]},{SIZE_WH[1]}"}
        )
        source: FrameSource = open_source(CaptureSettings(**settings), monotonic_ns)
        made = Case(source, lambda index: window.paint(0x101010 * (index + 1)), is_finite=False)
    elif kind == "list":
        made = Case(ReplaySource(iter(make_frames()), monotonic_ns, paced=False))
    else:
        name, write = {
            "video": ("video.mkv", write_video),
            "session": ("session", write_session),
            "images": ("images", write_images),
        }[kind]
        write(tmp_path / name)
        made = Case(open_replay(tmp_path / name, False, monotonic_ns))
    yield made
    made.source.close()


def grab_all(case: Case, count: int = FRAMES) -> list[Frame]:
    frames = []
    for index in range(count):
        case.change(index)
        frame = case.source.grab()
        assert frame is not None
        frames.append(frame)
    return frames


def test_pixels_are_bytes_of_the_regions_size(case: Case) -> None:
    for frame in grab_all(case):
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.ndim == 3
        assert frame.pixels.shape[2] in (3, 4)
        assert frame.size_wh == (frame.region.width_px, frame.region.height_px)


def test_ids_go_up_by_one_from_zero(case: Case) -> None:
    assert [frame.frame_id for frame in grab_all(case)] == [0, 1, 2]


def test_stamps_go_up(case: Case) -> None:
    stamps = [frame.captured_ns for frame in grab_all(case)]
    assert stamps == sorted(set(stamps))


def test_an_earlier_frame_keeps_its_pixels(case: Case) -> None:
    case.change(0)
    first = case.source.grab()
    assert first is not None
    before = first.pixels.copy()
    case.change(1)
    assert case.source.grab() is not None
    assert np.array_equal(first.pixels, before)


def test_after_the_last_frame_comes_none_every_time(case: Case) -> None:
    if not case.is_finite:
        case.source.close()
    else:
        grab_all(case)
    assert case.source.grab() is None
    assert case.source.grab() is None


def test_a_closed_source_gives_none_and_can_be_closed_again(case: Case) -> None:
    grab_all(case, 1)
    case.source.close()
    case.source.close()
    assert case.source.grab() is None


def test_a_source_can_be_closed_before_its_first_frame(case: Case) -> None:
    case.source.close()
    assert case.source.grab() is None


def test_closing_wakes_a_grab_that_waits(case: Case) -> None:
    answers: list[Frame | None] = []

    def grab_to_the_end() -> None:
        while (frame := case.source.grab()) is not None:
            answers.append(frame)

    thread = threading.Thread(target=grab_to_the_end)
    thread.start()
    case.source.close()
    thread.join(timeout=5)
    assert not thread.is_alive()


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,0,0,5", "0,0,5,-1", "0.5,0,5,5"])
def test_a_malformed_region_is_the_users_error(text: str) -> None:
    with pytest.raises(UserError, match="X,Y,W,H"):
        parse_region(text)


def test_a_region_may_start_left_of_the_screen_and_have_spaces() -> None:
    assert parse_region(" -10, 5,20 ,30") == Region(-10, 5, 20, 30)


def test_two_places_to_look_at_are_one_too_many() -> None:
    with pytest.raises(UserError, match="got window and region"):
        open_source(CaptureSettings(window="a", region="0,0,1,1"), monotonic_ns)


def test_a_crop_without_a_size_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1,1"):
        open_source(CaptureSettings(crop_px=(0, 5)), monotonic_ns)


@pytest.mark.parametrize("wrong", [{"max_hz": 0}, {"monitor": -1}, {"backend": "gdi"}, {"windw": "a"}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CaptureSettings.model_validate(wrong)


@pytest.mark.parametrize("display", [None, ":4711"])
@pytest.mark.parametrize("settings", [{"monitor": 1}, {"window": "game"}, {"region": "0,0,9,9"}])
def test_without_a_display_the_error_says_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, display: str | None, settings: dict[str, object]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(UserError, match="DISPLAY") as caught:
        open_source(CaptureSettings.model_validate(settings), monotonic_ns)
    assert "\n" not in str(caught.value)
