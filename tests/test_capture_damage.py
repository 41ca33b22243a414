"""Waiting for reports of what is drawn, and no longer trusting them."""

from collections.abc import Sequence

import pytest
from conftest import OpenWindow

from capture.damage import MOST_UNREPORTED, DrawingWatch, open_damage


class Reports:
    """Damage that answers as it is told, and then never again."""

    def __init__(self, answers: Sequence[bool] = ()) -> None:
        self.answers = list(answers)
        self.timeouts_s: list[float] = []
        self.closed = 0

    def wait(self, timeout_s: float) -> bool:
        self.timeouts_s.append(timeout_s)
        return self.answers.pop(0) if self.answers else False

    def close(self) -> None:
        self.closed += 1


def test_the_first_look_waits_for_nothing() -> None:
    reports = Reports()
    watch = DrawingWatch(reports)
    watch.wait()
    assert reports.timeouts_s == []
    watch.wait()
    watch.wait(0.01)
    assert reports.timeouts_s == [0.05, 0.01]


def test_what_is_new_without_a_report_again_and_again_ends_the_trust() -> None:
    reports = Reports()
    watch = DrawingWatch(reports)
    watch.wait()
    watch.found_new()
    for _ in range(round(MOST_UNREPORTED)):
        assert reports.closed == 0
        watch.wait()
        watch.found_new()
    assert reports.closed == 1
    asked = len(reports.timeouts_s)
    watch.wait()
    watch.found_new()
    watch.close()
    assert (len(reports.timeouts_s), reports.closed) == (asked, 1)


def test_the_reports_of_others_do_not_keep_the_trust() -> None:
    reports = Reports()
    watch = DrawingWatch(reports)
    for is_reported in [False, True, True] * 30:  # a clock beside a game that draws without reports
        reports.answers = [is_reported]
        watch.wait()
        watch.found_new()
    assert reports.closed == 1


def test_a_report_in_between_keeps_the_trust_and_the_next_look_is_at_once() -> None:
    reports = Reports([False, True])  # nothing until the look, then the report of what it saw
    watch = DrawingWatch(reports)
    watch.wait()
    for _ in range(5):
        watch.wait()
        reports.answers = [True]
        watch.found_new()
        asked = len(reports.timeouts_s)
        watch.wait()  # it may have been of something drawn after the look
        assert len(reports.timeouts_s) == asked
        reports.answers = [False]
    assert reports.closed == 0


def test_a_drawing_is_reported(xvfb_display: str, open_window: OpenWindow) -> None:
    damage = open_damage()
    assert damage is not None
    while damage.wait(0.05):
        pass
    open_window().paint(0xFF8001, left=1, top=1, width=2, height=2)
    assert damage.wait(5)
    damage.close()


def test_no_display_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", "")
    assert open_damage() is None
