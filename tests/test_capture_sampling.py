"""Which frames of a recording are taken to be labelled."""

import numpy as np
import pytest

from capture.frame import Frame, Region
from capture.sampling import make_thumbnail, sample_frames

HZ = 50


def make_frames(levels: list[int], channels: int = 3) -> list[Frame]:
    """Grey frames at 50 Hz that start at a late time."""
    return [
        Frame(
            np.full((30, 40, channels), level, np.uint8),
            7_000_000_000 + index * 1_000_000_000 // HZ,
            100 + index,
            Region(0, 0, 40, 30),
        )
        for index, level in enumerate(levels)
    ]


def sample_ids(levels: list[int], every_s: float, min_change: float = 1.0) -> list[int]:
    return [frame.frame_id for frame in sample_frames(make_frames(levels), every_s, min_change)]


def test_frames_that_all_differ_are_taken_evenly_in_time() -> None:
    assert sample_ids(list(range(0, 250, 2)), 0.5) == [100, 125, 150, 175, 200]


def test_a_gap_in_the_recording_is_not_made_up_for() -> None:
    frames = make_frames(list(range(0, 200, 2)))
    kept = [frame for frame in frames if not 110 <= frame.frame_id < 165]
    assert [frame.frame_id for frame in sample_frames(kept, 0.5, 1.0)] == [100, 165, 175]


def test_a_still_picture_is_taken_once_and_then_when_it_changes() -> None:
    levels = [10] * 60 + [20] * 5 + [10] * 60
    assert sample_ids(levels, 0.5) == [100, 160, 175]
    assert sample_ids(levels, 0.5, min_change=0.0) == [100, 125, 150, 175, 200]


def test_a_slow_drift_is_taken_when_it_amounts_to_the_change_asked_for() -> None:
    levels = [index // 10 for index in range(100)]
    assert sample_ids(levels, 0.02, min_change=4.0) == [100, 140, 180]


@pytest.mark.parametrize("channels", [3, 4])
def test_a_thumbnail_is_grey_and_of_one_size(channels: int) -> None:
    thumbnail = make_thumbnail(make_frames([77], channels)[0].pixels)
    assert thumbnail.shape == (120, 160)
    assert (thumbnail == 77).all()
