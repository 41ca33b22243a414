"""The Kalman filter, association, and what tracks survive."""

from dataclasses import replace

import numpy as np
import pytest
from aim_helpers import MS

from aimbot.kalman import Motions
from aimbot.observation import Observation, gather_observations
from aimbot.target import XY
from aimbot.tracker import Track, Tracker, TrackerSettings

COUNTS_PER_DEG = (10.0, 10.0)


def observe(
    x: float, y: float = 0.0, sigma: float = 1.0, class_id: int = 0, confidence: float = 0.9
) -> Observation:
    half = (20.0, 40.0)
    at = (x, y)
    return Observation(class_id, confidence, (0, 0, 1, 1), (0, 0), at, at, half, 50.0, (sigma, sigma), 1.0)


def follow(places: list[XY], step_ms: int = 16, settings: TrackerSettings | None = None) -> Track:
    tracker = Tracker(settings or TrackerSettings(), COUNTS_PER_DEG)
    for index, (x, y) in enumerate(places):
        tracks = tracker.update(gather_observations([observe(x, y)]), index * step_ms * MS)
    assert len(tracks) == 1
    return tracks[0]


def test_the_filter_agrees_with_the_matrix_form() -> None:
    motions = Motions(*(np.full((1, 2), value) for value in (1.0, -2.0, 4.0, 0.5, 9.0)))
    state, covariance = np.array([1.0, -2.0]), np.array([[4.0, 0.5], [0.5, 9.0]])
    dt, agility, variance = 0.04, 30.0, 2.5
    move = np.array([[1.0, dt], [0.0, 1.0]])
    noise = agility**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    for measured in (3.0, -1.0, 0.5):
        motions = motions.predict(np.array([[dt]]), np.array([agility, agility]))
        state, covariance = move @ state, move @ covariance @ move.T + noise
        innovation = measured - state[0]
        surprise = motions.surprise(np.full((1, 2), measured), np.full((1, 2), variance))
        assert surprise == pytest.approx([2 * innovation**2 / (covariance[0, 0] + variance)])
        motions = motions.correct(np.full((1, 2), measured), np.full((1, 2), variance))
        gain = covariance[:, 0] / (covariance[0, 0] + variance)
        state = state + gain * innovation
        covariance = covariance - np.outer(gain, covariance[0])
    found = [motions.position, motions.velocity, motions.var_position, motions.cov, motions.var_velocity]
    expected = [*state, covariance[0, 0], covariance[0, 1], covariance[1, 1]]
    assert [values.tolist() for values in found] == [[pytest.approx([value] * 2)] for value in expected]


def test_a_constant_speed_is_found() -> None:
    track = follow([(3.0 * index, -1.5 * index) for index in range(40)])
    assert track.velocity_counts_per_s == pytest.approx((3.0 / 0.016, -1.5 / 0.016), rel=0.1)
    assert track.bearing_at(40 * 16 * MS)[0] == pytest.approx(120, abs=1)


def test_noise_about_a_still_target_gives_it_hardly_any_speed() -> None:
    rng = np.random.default_rng(3)
    track = follow([(float(x), float(y)) for x, y in rng.normal(0, 1, (60, 2))])
    assert (
        np.hypot(*track.velocity_counts_per_s) < 5
    )  # half a degree a second; the noise is a tenth, every frame


def test_after_a_turn_the_speed_is_found_anew_within_a_few_frames() -> None:
    there = [(4.0 * index, 0.0) for index in range(40)]
    back = [(156.0 - 4.0 * index, 0.0) for index in range(1, 8)]
    assert follow(there + back).velocity_counts_per_s[0] == pytest.approx(-4.0 / 0.016, rel=0.35)


def test_two_that_pass_each_other_keep_their_identities() -> None:
    tracker = Tracker(TrackerSettings(), COUNTS_PER_DEG)
    for index in range(60):
        x = -90 + 3.0 * index
        tracks = tracker.update(gather_observations([observe(x, 0), observe(-x, 12)]), index * 16 * MS)
    assert [track.track_id for track in tracks] == [1, 2]
    assert tracks[0].velocity_counts_per_s[0] > 100
    assert tracks[1].velocity_counts_per_s[0] < -100


def test_the_sum_of_the_distances_decides_and_not_the_nearest_pair() -> None:
    tracker = Tracker(TrackerSettings(), COUNTS_PER_DEG)
    tracker.update(gather_observations([observe(0), observe(20)]), 0)
    # 12 is nearest to the second; taking that first would leave 32 for the first, and cross them.
    tracks = tracker.update(gather_observations([observe(12), observe(32)]), 16 * MS)
    assert [track.seen.bearing_counts[0] for track in tracks] == [12, 32]


def test_another_class_is_another_target() -> None:
    tracker = Tracker(TrackerSettings(), COUNTS_PER_DEG)
    tracker.update(gather_observations([observe(0)]), 0)
    tracks = tracker.update(gather_observations([observe(0, class_id=1)]), 16 * MS)
    assert [(track.track_id, track.seen.class_id) for track in tracks] == [(1, 0), (2, 1)]


@pytest.mark.parametrize(("pause_ms", "is_same"), [(100, True), (101, False)])
def test_after_a_longer_pause_than_a_track_coasts_the_same_place_begins_another(
    pause_ms: int, is_same: bool
) -> None:
    tracker = Tracker(TrackerSettings(coast_s=0.1), COUNTS_PER_DEG)
    first, again = (
        tracker.update(gather_observations([observe(0)]), time_ms * MS)[0].track_id
        for time_ms in (0, pause_ms)
    )
    assert (again == first) is is_same


def test_a_track_coasts_on_its_course_and_dies_after_its_seconds() -> None:
    tracker = Tracker(TrackerSettings(coast_s=0.1), COUNTS_PER_DEG)
    for index in range(30):
        tracker.update(gather_observations([observe(3.0 * index)]), index * 16 * MS)
    last_ns = 29 * 16 * MS
    (track,) = tracker.update(gather_observations([]), last_ns + 90 * MS)
    assert track.bearing_at(last_ns + 90 * MS)[0] == pytest.approx(87 + 90 * 3 / 16, abs=2)
    assert tracker.update(gather_observations([]), last_ns + 110 * MS) == []


def test_what_was_seen_while_the_view_turned_counts_less() -> None:
    def end_at(sigma: float) -> float:
        tracker = Tracker(TrackerSettings(), COUNTS_PER_DEG)
        for index in range(20):
            tracker.update(gather_observations([observe(0)]), index * 16 * MS)
        (track,) = tracker.update(gather_observations([observe(30, sigma=sigma)]), 20 * 16 * MS)
        return track.bearing_counts[0]

    assert end_at(20.0) < 5 < end_at(1.0)


def test_a_target_of_which_a_part_is_left_to_see_is_where_that_part_is() -> None:
    tracker = Tracker(TrackerSettings(), COUNTS_PER_DEG)
    for index in range(40):
        tracker.update(gather_observations([observe(0)]), index * 16 * MS)
    part = replace(observe(12), half_size_counts=(8.0, 40.0))  # the right two fifths of it
    (track,) = tracker.update(gather_observations([part]), 40 * 16 * MS)
    assert track.bearing_counts[0] > 9


def test_the_same_instant_again_teaches_nothing_of_the_motion() -> None:
    tracker = Tracker(TrackerSettings(), COUNTS_PER_DEG)
    tracker.update(gather_observations([observe(0)]), 0)
    (track,) = tracker.update(gather_observations([observe(10)]), 0)
    assert (track.bearing_counts, track.velocity_counts_per_s) == ((0, 0), (0, 0))
    assert track.seen.bearing_counts == (10, 0)


def test_what_is_predicted_changes_with_the_tracks() -> None:
    tracker = Tracker(TrackerSettings(coast_s=0.1), COUNTS_PER_DEG)
    tracker.update(gather_observations([observe(0)]), 0)
    for seen, expected in (([observe(9)], 1), ([observe(9), observe(90)], 2), ([], 0)):
        now_ns = 16 * MS if seen else 500 * MS
        tracker.predict(now_ns)
        tracks = tracker.update(gather_observations(seen), now_ns)
        motions, class_id = tracker.predict(now_ns)
        assert len(motions) == len(class_id) == expected
        assert motions.position.tolist() == [list(track.bearing_counts) for track in tracks]
