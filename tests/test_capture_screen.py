"""The screen source on a real X server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import SCREEN, OpenWindow, PaintedWindow
from mss.exception import ScreenShotError
from pydantic import ValidationError

from arena.display import start_xvfb
from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.source import CaptureSettings, LiveSource, open_source
from capture.window import DisplayGone

pytestmark = pytest.mark.usefixtures("xvfb_display")


@contextmanager
def opened(**settings: object) -> Iterator[LiveSource]:
    source = open_source(CaptureSettings.model_validate(settings), monotonic_ns)
    try:
        yield source
    finally:
        source.close()


def grab(source: LiveSource) -> Frame:
    frame = source.grab()
    assert frame is not None
    return frame


def await_drawing(source: LiveSource, window: PaintedWindow) -> None:
    """A first frame, and one of what is painted half a second later."""
    grab(source)
    painter = threading.Timer(0.5, lambda: window.paint(0xFFFFFF, left=0, top=0, width=9, height=9))
    painter.start()
    grab(source)
    painter.join()


@pytest.mark.parametrize("backend", ["auto", "xshmgetimage", "xgetimage"])
def test_every_pixel_is_what_the_window_painted(open_window: OpenWindow, backend: str) -> None:
    window = open_window(region=Region(100, 80, 64, 48), colour=0x203040)
    window.paint(0xFF8001, left=10, top=5, width=7, height=3)
    with opened(region="100,80,64,48", backend=backend) as source:
        frame = grab(source)
    expected = np.empty((48, 64, 3), np.uint8)
    expected[:] = (0x40, 0x30, 0x20)
    expected[5:8, 10:17] = (0x01, 0x80, 0xFF)
    assert np.array_equal(frame.pixels[..., :3], expected)
    assert frame.region == Region(100, 80, 64, 48)


def test_a_screen_that_shows_nothing_new_makes_no_frame(open_window: OpenWindow) -> None:
    window = open_window()
    with opened(region="100,80,64,48", max_hz=1000) as source:
        first = grab(source)
        looked = source.unchanged
        window.paint(0x203041, left=63, top=47, width=1, height=1)
        second = grab(source)
    assert (first.frame_id, second.frame_id, looked) == (0, 1, 0)
    assert np.argwhere((first.pixels != second.pixels)[..., :3].any(axis=2)).tolist() == [[47, 63]]


@pytest.mark.parametrize(
    ("region", "seen"),
    [
        ("-10,-20,50,60", Region(0, 0, 40, 40)),
        ("1270,950,64,64", Region(1270, 950, 10, 10)),
        ("-5,-5,9999,9999", SCREEN),
    ],
)
def test_what_lies_outside_the_screen_is_cut_off(region: str, seen: Region) -> None:
    with opened(region=region) as source:
        frame = grab(source)
    assert frame.region == seen
    assert frame.pixels.shape == (seen.height_px, seen.width_px, 4)


@pytest.mark.parametrize("region", ["1280,0,10,10", "0,960,10,10", "-10,0,10,10"])
def test_a_region_outside_the_screen_is_the_users_error(region: str) -> None:
    with pytest.raises(UserError, match="on the screen"):
        open_source(CaptureSettings(region=region), monotonic_ns)


def test_a_monitor_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(UserError, match=r"got 7; there are 0 \(0,0,1280,960\), 1 \(0,0,1280,960\)"):
        open_source(CaptureSettings(monitor=7), monotonic_ns)
    with pytest.raises(UserError, match=r"got -1; there are"):  # the command line's, which no model checks
        open_source(CaptureSettings().model_copy(update={"monitor": -1}), monotonic_ns)


@pytest.mark.parametrize("settings", [{}, {"monitor": 0}, {"monitor": 1}])
def test_without_more_said_a_whole_monitor_is_seen(settings: dict[str, object]) -> None:
    with opened(**settings) as source:
        assert grab(source).region == SCREEN


def test_a_crop_is_taken_around_the_centre(open_window: OpenWindow) -> None:
    open_window(region=Region(200, 100, 100, 80))
    with opened(window="painted", crop_px=(20, 10)) as source:
        assert source.whole == Region(200, 100, 100, 80)
        assert grab(source).region == Region(240, 135, 20, 10)
        assert source.whole == Region(200, 100, 100, 80)


def test_a_window_is_followed_as_it_moves(open_window: OpenWindow) -> None:
    window = open_window(colour=0x0000AA)
    with opened(window="painted") as source:
        assert grab(source).region == Region(100, 80, 64, 48)
        window.move(301, 203)
        frame = grab(source)
        while frame.region == Region(100, 80, 64, 48):  # what the window uncovered
            frame = grab(source)
    assert frame.region == Region(301, 203, 64, 48)
    assert (frame.pixels[..., :3] == (0xAA, 0, 0)).all()


def test_a_window_that_left_the_screen_is_waited_for(open_window: OpenWindow) -> None:
    window = open_window(colour=0x0000AA)
    with opened(window="painted") as source:
        grab(source)
        window.move(-500, 0)
        source._followed_ns = 0  # type: ignore[attr-defined] # look for the window at once
        assert source._look() is None  # type: ignore[attr-defined]
        window.move(-60, 0)
        source._followed_ns = 0  # type: ignore[attr-defined]
        frame = grab(source)
    assert frame.region == Region(-60, 0, 64, 48)
    assert not frame.pixels[:, :60].any()
    assert (frame.pixels[:, 60:, :3] == (0xAA, 0, 0)).all()


def test_a_window_that_starts_outside_the_screen_is_the_users_error(open_window: OpenWindow) -> None:
    open_window(region=Region(-500, 0, 64, 48))
    with pytest.raises(UserError, match="'Painted game' on the screen"):
        open_source(CaptureSettings(window="painted"), monotonic_ns)


def test_the_source_is_over_when_its_window_is_closed(open_window: OpenWindow) -> None:
    window = open_window()
    with opened(window="painted") as source:
        grab(source)
        window.close()
        while source.grab() is not None:
            pass
        assert source.gone


def test_a_screen_that_refuses_is_opened_anew(open_window: OpenWindow) -> None:
    window = open_window()
    with opened(region="100,80,64,48") as source:
        grab(source)
        window.paint(0xFFFFFF)
        screen = source._screen  # type: ignore[attr-defined]
        screen.close()  # as good as a change of the screen's size: the next screenshot fails
        assert grab(source).frame_id == 1
        assert source._screen is not screen  # type: ignore[attr-defined]


@pytest.mark.parametrize("backend", ["auto", "xgetimage"])
def test_a_display_that_goes_away_is_one_line_and_closed_once(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    with start_xvfb((320, 240)) as name:
        monkeypatch.setenv("DISPLAY", name)
        source = open_source(CaptureSettings.model_validate({"backend": backend}), monotonic_ns)
        grab(source)
    with pytest.raises(UserError, match=r"^expected a screen, DISPLAY=\S+ failed [^\n]*$"):
        source.grab()
    source.close()
    source.close()


def test_a_display_that_goes_away_is_told_from_a_window_that_is_closed(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_window: object) -> Region:
        raise DisplayGone("it is gone")

    open_window()
    with opened(window="painted") as source:
        monkeypatch.setattr("capture.window_x11.X11Window.region", fail)
        with pytest.raises(DisplayGone):
            source.grab()
        assert not source.gone


def test_a_screen_that_fails_while_it_is_opened_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_screen: object) -> None:
        raise ScreenShotError("BadMatch\nin request 73")

    monkeypatch.setattr("capture.screen._read_monitors", fail)
    with pytest.raises(UserError, match=r"^expected a screen, DISPLAY=\S+ failed \(BadMatch\); [^\n]*$"):
        open_source(CaptureSettings(), monotonic_ns)


def test_xlib_is_no_backend_for_it_must_be_closed_by_the_thread_that_opened_it() -> None:
    with pytest.raises(ValidationError, match="'auto', 'xshmgetimage' or 'xgetimage'"):
        CaptureSettings.model_validate({"backend": "xlib"})


def test_looks_are_no_more_frequent_than_the_rate(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_window()
    now_ns = 0
    source = open_source(CaptureSettings(region="100,80,64,48", max_hz=100), lambda: now_ns)
    waits: list[float] = []
    monkeypatch.setattr(source._closed, "wait", waits.append)  # type: ignore[attr-defined]
    for step_ns in (0, 0, 4_000_000, 50_000_000, 0):
        now_ns += step_ns
        assert source._await_turn()  # type: ignore[attr-defined]
    source.close()
    assert waits == [0.0, 0.01, 0.016, 0.0, 0.01]


def test_a_still_screen_is_seldom_looked_at_and_a_drawing_at_once(open_window: OpenWindow) -> None:
    window = open_window()
    with opened(region="100,80,64,48", max_hz=1000) as source:
        await_drawing(source, window)
        assert source.unchanged < 50  # by the time it would be some 400
        assert source._watch._damage is not None  # type: ignore[attr-defined]


def test_a_picture_that_repeats_does_so_without_a_drawing(open_window: OpenWindow) -> None:
    open_window()
    with opened(region="100,80,64,48", max_hz=1000, repeat_s=0.01) as source:
        first, second = grab(source), grab(source)
    assert second.pixels is first.pixels


def test_without_reports_the_screen_is_looked_at_by_the_time(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.screen.open_damage", lambda: None)
    window = open_window()
    with opened(region="100,80,64,48", max_hz=1000) as source:
        await_drawing(source, window)
        assert source.unchanged > 50
