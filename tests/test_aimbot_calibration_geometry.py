"""The geometry of a turn: angles, scale and field of view out of what moved in the picture."""

import numpy as np
import pytest
from calibration_helpers import PANORAMA
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aimbot.calibration.geometry import (
    Points,
    align,
    apply_homography,
    build_turn,
    estimate_error,
    fit_fov,
    fit_turn_scale,
    focal_px,
    measure_angles,
    turn_positions,
)
from aimbot.calibration.shifts import find_common, find_moved, measure_shifts, to_picture
from aimbot.calibration.sweep import Axis
from arena.panorama import Camera, Gaze

WIDTH = 640


def make_points(fov_deg: float, deg_per_count: float, noise_px: float, seed: int = 0) -> Points:
    """What patches all over the picture say of four steps; some are sprites with a motion of their own."""
    rng = np.random.default_rng(seed)
    counts = np.repeat([40.0, -40.0, 90.0, -90.0], 30)
    before = rng.uniform(-250, 250, counts.size)
    after = turn_positions(before, deg_per_count * counts, focal_px(fov_deg, WIDTH))
    after += rng.normal(0, noise_px, counts.size)
    after[::10] += rng.uniform(-30, 30, after[::10].size)
    return Points(before, after, counts, np.repeat(np.arange(4.0), 30))


@settings(deadline=None)
@given(st.floats(-300, 300), st.floats(-25, 25), st.floats(50, 800))
def test_the_angle_of_a_turn_is_found_in_what_it_moved(position: float, angle: float, focal: float) -> None:
    before = np.array([position])
    bearing = np.degrees(np.arctan(position / focal)) - angle
    if abs(bearing) < 85:
        after = turn_positions(before, angle, focal)
        assert measure_angles(before, after, focal)[0] == pytest.approx(angle, abs=1e-6)


@settings(deadline=None)
@given(st.floats(-20, 20), st.sampled_from([0, 1]), st.floats(100, 800))
def test_the_homography_of_a_turn_moves_points_on_the_axis_as_the_formula_does(
    angle: float, axis: int, focal: float
) -> None:
    points = np.zeros((5, 2))
    points[:, axis] = np.linspace(-50, 50, 5)
    moved = apply_homography(points, build_turn(axis, angle, (focal, focal), (640, 480)), (640, 480))
    assert moved[:, axis] == pytest.approx(turn_positions(points[:, axis], angle, focal), abs=1e-6)
    assert moved[:, 1 - axis] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("fov_deg", [60.0, 90.0, 110.0])
def test_the_field_of_view_and_the_scale_come_out_of_the_growth_of_the_shift(fov_deg: float) -> None:
    points = make_points(fov_deg, 0.1, noise_px=0.1)
    found = fit_fov(points, WIDTH)
    assert found == pytest.approx(fov_deg, rel=0.01)
    assert fit_turn_scale(points, focal_px(found, WIDTH)) == pytest.approx(0.1, rel=0.01)
    assert fit_fov(points, WIDTH, 0.1) == pytest.approx(fov_deg, rel=0.002)


def test_more_noise_is_a_larger_error() -> None:
    errors = [
        estimate_error(make_points(90.0, 0.1, noise), lambda drawn: fit_fov(drawn, WIDTH, 0.1))
        for noise in (0.05, 1.0)
    ]
    assert errors[1] > 3 * errors[0]


def test_the_common_value_is_that_of_the_most_and_not_of_the_mean() -> None:
    assert find_common(np.array([5.0, 5.2, 4.8, 30.0, -12.0])) == (pytest.approx(5.0), 0.6)
    assert find_common(np.array([])) == (0.0, 0.0)


ROOM = Camera(PANORAMA, (640, 480), 90.0)


def look(gaze: Gaze) -> NDArray[np.float32]:
    return to_picture(ROOM.render(gaze))


@settings(max_examples=20, deadline=None)
@given(st.floats(-2.5, 2.5), st.floats(-180, 180))
def test_the_middle_of_the_picture_shifts_as_the_view_turns(angle: float, start: float) -> None:
    """Not its sides, where the shift grows so much over a patch that no single one fits it."""
    shifts = measure_shifts(look(Gaze(start, 0)), look(Gaze(start + angle, 0)), np.ones((480, 640), bool))
    middle = np.abs(shifts.xy_px[:, 0]) <= 64
    expected = turn_positions(shifts.xy_px[middle, 0], angle, 320.0) - shifts.xy_px[middle, 0]
    assert middle.sum() >= 6
    assert np.median(np.abs(shifts.shift_px[middle, 0] - expected)) < 0.4


def test_what_is_aligned_by_the_right_turn_has_no_shift_left() -> None:
    before, after = look(Gaze(20, 0)), look(Gaze(35, 0))
    aligned = align(after, build_turn(Axis.YAW, 15.0, (320.0, 320.0), (640, 480)))
    left = measure_shifts(before, aligned, find_moved(before, after))
    assert left.share > 0.5
    assert find_common(left.shift_px[:, 0])[0] == pytest.approx(0, abs=0.1)


def test_a_wide_window_is_looked_at_in_fewer_pixels() -> None:
    assert to_picture(np.zeros((1080, 1920, 4), np.uint8)).shape == (540, 960)
    assert to_picture(np.zeros((480, 640, 3), np.uint8)).shape == (480, 640)


def test_a_part_that_never_moves_has_no_say() -> None:
    before, after = look(Gaze(0, 0)), look(Gaze(2, 0))
    hud = np.random.default_rng(1).uniform(0, 255, (140, 640)).astype(np.float32)
    before[340:], after[340:] = hud, hud
    shifts = measure_shifts(before, after)
    assert shifts.xy_px[:, 1].max() + 64 < 480 - 240
    assert find_common(shifts.shift_px[:, 0], 3.0)[0] == pytest.approx(-12, abs=2)
