"""The capture thread and its mailbox."""

import queue
import threading

import numpy as np
import pytest
from conftest import OpenWindow

from capture.clock import monotonic_ns
from capture.frame import Frame, Region
from capture.grabber import Grabber
from capture.replay import ReplaySource
from capture.source import CaptureSettings, open_source

LONG_S = 5.0


def make_frame(frame_id: int) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), frame_id, frame_id, Region(0, 0, 2, 2))


class HandFed:
    """A source that gives what the test puts in; None ends it, an exception is raised."""

    def __init__(self) -> None:
        self.feed: queue.Queue[Frame | Exception | None] = queue.Queue()
        self.asked = threading.Semaphore(0)
        self.closed = False

    def grab(self) -> Frame | None:
        self.asked.release()
        item = self.feed.get()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed = True
        self.feed.put(None)

    def put(self, *items: Frame | Exception | None) -> None:
        """Feed, and wait until the grabber has dealt with all of it."""
        for item in items:
            assert self.asked.acquire(timeout=LONG_S)
            self.feed.put(item)
        if isinstance(items[-1], Frame):
            assert self.asked.acquire(timeout=LONG_S)
            self.asked.release()


def test_a_frame_is_handed_over_once() -> None:
    source = HandFed()
    grabber = Grabber(source, monotonic_ns)
    source.put(make_frame(0))
    first = grabber.take(LONG_S)
    assert first is not None
    assert first.frame_id == 0
    assert grabber.take(0.0) is None
    assert not grabber.ended
    grabber.close()


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    source = HandFed()
    grabber = Grabber(source, monotonic_ns)
    source.put(make_frame(0), make_frame(1), make_frame(2))
    frame = grabber.take(LONG_S)
    grabber.close()
    assert frame is not None
    assert frame.frame_id == 2
    assert (grabber.grabbed, grabber.overwritten, grabber.unchanged) == (3, 2, 0)


def test_take_waits_for_a_frame_that_is_yet_to_come() -> None:
    source = HandFed()
    grabber = Grabber(source, monotonic_ns)
    timer = threading.Timer(0.05, lambda: source.feed.put(make_frame(7)))
    timer.start()
    frame = grabber.take(LONG_S)
    timer.join()
    grabber.close()
    assert frame is not None
    assert frame.frame_id == 7


def test_the_last_frame_can_be_taken_after_the_source_ended() -> None:
    grabber = Grabber(ReplaySource(iter([make_frame(0)]), monotonic_ns, paced=False), monotonic_ns)
    frame = grabber.take(LONG_S)
    assert frame is not None
    assert grabber.take(LONG_S) is None
    assert grabber.ended
    grabber.close()


def test_an_error_of_the_source_is_raised_by_take_after_the_last_good_frame() -> None:
    source = HandFed()
    grabber = Grabber(source, monotonic_ns)
    source.put(make_frame(0), OSError("the cable fell out"))
    assert grabber.take(LONG_S) is not None
    assert not grabber.ended
    with pytest.raises(OSError, match="cable"):
        grabber.take(LONG_S)
    assert grabber.ended
    assert grabber.take(0.0) is None
    grabber.close()


def test_closing_closes_the_source_and_leaves_no_thread() -> None:
    source = HandFed()
    grabber = Grabber(source, monotonic_ns)
    grabber.close()
    grabber.close()
    assert source.closed
    assert grabber.ended
    assert "capture" not in [thread.name for thread in threading.enumerate()]


def test_a_screen_that_stands_still_is_looked_at_but_not_handed_over(open_window: OpenWindow) -> None:
    window = open_window()
    source = open_source(CaptureSettings(region="100,80,64,48", max_hz=1000), monotonic_ns)
    grabber = Grabber(source, monotonic_ns)
    first = grabber.take(LONG_S)
    assert first is not None
    while grabber.unchanged < 3:
        assert grabber.take(0.005) is None
    window.paint(0xFFFFFF)
    second = grabber.take(LONG_S)
    grabber.close()
    assert second is not None
    assert second.frame_id == 1
    assert grabber.grabbed == 2
