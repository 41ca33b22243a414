"""What a picture shows of the counts: by its time, and by where its boxes lie."""

import numpy as np
import pytest
from aim_helpers import MS, doom_view, make_detections

from aimbot.ledger import CountLedger
from aimbot.observing import Offsets, measure_offsets
from aimbot.shown import estimate_shown, tell_lateness
from aimbot.tracker import Tracker, TrackerSettings
from aimbot.view import View, ViewSettings

FLICK_COUNTS = 150
VIEW: ViewSettings = doom_view().model_copy(update={"display_latency_ms": 22.0, "display_jitter_ms": 14.0})


def look(*x_px: float) -> Offsets:
    boxes = [[x - 10, 220, x + 10, 260] for x in x_px]
    return measure_offsets(
        make_detections(boxes), np.array([[0.5, 0.5]]), TrackerSettings(), View(VIEW, (640, 480))
    )


def estimate(before: Offsets, after: Offsets, sent_ms: float) -> float:
    """What a picture is said to show that is taken so long after a flick; the picture before shows none."""
    tracker, ledger = Tracker(TrackerSettings(), VIEW.counts_per_deg), CountLedger()
    tracker.update(before.place((0.0, 0.0)), 0)
    captured_ns = 30 * MS
    ledger.add(captured_ns - round(sent_ms * MS), FLICK_COUNTS, 0)
    return estimate_shown(after, tracker, ledger, VIEW, captured_ns)[0][0]


@pytest.mark.parametrize("sent_ms", [3.0, 8.0, 14.0])
def test_where_the_time_does_not_tell_the_boxes_do(sent_ms: float) -> None:
    before, still = look(500.0), look(501.0)
    turned_px = 320 + 320 * np.tan(np.arctan(180 / 320) - np.radians(FLICK_COUNTS * VIEW.yaw_deg_per_count))
    assert estimate(before, still, sent_ms) == 0
    assert estimate(before, look(turned_px), sent_ms) == FLICK_COUNTS


def test_without_tracks_or_boxes_the_time_tells() -> None:
    for sent_ms, expected in ((5.0, 0), (12.0, FLICK_COUNTS)):
        assert estimate(look(), look(400.0), sent_ms) == expected
        assert estimate(look(400.0), look(), sent_ms) == expected


def test_one_target_that_jumps_is_no_proof_of_a_late_picture_and_two_are() -> None:
    assert estimate(look(500.0), look(500.0), sent_ms=25.0) == FLICK_COUNTS
    assert estimate(look(500.0, 300.0), look(500.0, 300.0), sent_ms=25.0) == 0


def test_a_total_is_as_likely_as_its_share_of_the_time() -> None:
    lateness = tell_lateness([0, 20, 25, 60], (10, 30), 45.0)
    assert lateness == pytest.approx([-2 * np.log(0.5), -2 * np.log(0.25), -2 * np.log(0.25)])
    assert tell_lateness([0, 5, 60], (10, 30), 45.0) == pytest.approx([45.0, 0.0])
