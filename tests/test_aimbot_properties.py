"""What holds for every input: commands are finite, capped, mirrored, and none without an error."""

import math

import numpy as np
import pytest
from aim_helpers import MS, doom_view, make_detections, make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from aimbot.aimer import Aimer, AimSettings
from aimbot.approach import approach_target, brake
from aimbot.controller import LONGEST_STEP_S, ControllerSettings
from aimbot.selector import SelectorSettings
from aimbot.target import XY, Command

SMOOTHINGS = st.sampled_from([0.0, 0.02, 0.1])
FINITE = st.floats(-200, 200)
PAIRS = st.tuples(FINITE, FINITE)
# A box by its centre's offset from the crosshair and its size, or no box; and the time to the next frame.
FRAMES = st.lists(
    st.tuples(
        st.one_of(
            st.none(),
            st.tuples(st.floats(-300, 300), st.floats(-200, 200), st.floats(1, 90), st.floats(1, 90)),
        ),
        st.integers(1, 120),
    ),
    min_size=2,
    max_size=12,
)
Frames = list[tuple[tuple[float, float, float, float] | None, int]]


def play(frames: Frames, smoothing_s: float, sign: int = 1, most_speed: float = 720.0) -> list[Command]:
    """The commands for the boxes, mirrored through the crosshair with `sign` -1."""
    aim = AimSettings(
        view=doom_view(),
        controller=ControllerSettings(smoothing_s=smoothing_s, max_speed_deg_per_s=most_speed),
        selector=SelectorSettings(aim_point=(0.5, 0.5), fov_radius_deg=90),
    )
    aimer, commands, now_ns = Aimer(aim, ["monster"]), [], 0
    for index, (seen, wait_ms) in enumerate(frames):
        boxes = []
        if seen is not None:
            x, y, width, height = seen
            centre = 320 + sign * x, 240 + sign * y
            boxes.append([centre[0] - width, centre[1] - height, centre[0] + width, centre[1] + height])
        frame = make_frame(index, now_ns)
        target = aimer.select(frame, make_detections(boxes))
        command = aimer.steer(frame, target, now_ns + 10 * MS)
        aimer.applied(now_ns + 10 * MS, command.dx_counts, command.dy_counts)
        commands.append(command)
        now_ns += wait_ms * MS
    return commands


@settings(deadline=None)
@given(FRAMES, SMOOTHINGS)
def test_commands_are_whole_counts_within_the_speed_limit(frames: Frames, smoothing_s: float) -> None:
    for command in play(frames, smoothing_s, most_speed=300.0):
        assert isinstance(command.dx_counts, int)
        assert isinstance(command.dy_counts, int)
        # A count more on each axis than the limit: rounding, and what the last step had left.
        turned = math.hypot(
            max(abs(command.dx_counts) - 1, 0) * 0.1318, max(abs(command.dy_counts) - 1, 0) * 0.1758
        )
        assert turned <= 300.0 * LONGEST_STEP_S + 1e-6


@settings(deadline=None)
@given(FRAMES, SMOOTHINGS)
def test_mirrored_inputs_give_mirrored_commands(frames: Frames, smoothing_s: float) -> None:
    for one, other in zip(play(frames, smoothing_s), play(frames, smoothing_s, sign=-1), strict=True):
        # Boxes are float32, so a value on the edge between two counts may fall to either side.
        assert one.dx_counts == pytest.approx(-other.dx_counts, abs=1)
        assert one.dy_counts == pytest.approx(-other.dy_counts, abs=1)


@settings(deadline=None)
@given(st.lists(st.integers(1, 120), min_size=2, max_size=30), SMOOTHINGS)
def test_without_an_error_nothing_is_sent(waits_ms: list[int], smoothing_s: float) -> None:
    frames: Frames = [((0.0, 0.0, 20.0, 30.0), wait) for wait in waits_ms]
    assert all((c.dx_counts, c.dy_counts) == (0, 0) for c in play(frames, smoothing_s))


@given(PAIRS, PAIRS, PAIRS, st.floats(0, 0.1), SMOOTHINGS, st.floats(0, 5))
def test_the_approach_is_finite_and_odd(
    error: XY, moves: XY, velocity: XY, dt_s: float, smoothing_s: float, dead_deg: float
) -> None:
    def negate(xy: XY) -> XY:
        return -xy[0], -xy[1]

    there = approach_target(error, moves, velocity, dt_s, smoothing_s, dead_deg)
    back = approach_target(negate(error), negate(moves), negate(velocity), dt_s, smoothing_s, dead_deg)
    assert np.isfinite(there).all()
    np.testing.assert_allclose(there, -np.array(back))


@given(PAIRS, PAIRS, PAIRS, PAIRS, st.floats(1e-4, 0.1), st.floats(1, 2000), st.floats(0, 9000))
def test_the_brake_keeps_both_limits(
    step: XY, velocity: XY, before: XY, error: XY, dt_s: float, most_speed: float, most: float
) -> None:
    taken, _ = brake(step, velocity, before, error, dt_s, most_speed, most)
    speed = math.hypot(*taken) / dt_s
    change = math.hypot(taken[0] / dt_s - before[0], taken[1] / dt_s - before[1])
    if most:
        assert change <= most * dt_s + 1e-6
        assert speed <= max(most_speed, math.hypot(*before)) + 1e-6
    else:
        assert speed <= most_speed + 1e-6


@pytest.mark.parametrize("smoothing_s", [0.03, 0.1])
@pytest.mark.parametrize("moves_deg_per_s", [0.0, 30.0])
def test_the_spring_goes_one_way_at_every_frame_rate(smoothing_s: float, moves_deg_per_s: float) -> None:
    def follow(hz: int) -> float:
        at, velocity = 0.0, (0.0, 0.0)
        for tick in range(1, round(0.15 * hz) + 1):
            error = 20.0 + moves_deg_per_s * tick / hz - at
            step, velocity = approach_target(
                (error, 0), (moves_deg_per_s, 0), velocity, 1 / hz, smoothing_s, 0
            )
            at += step[0]
        return at

    assert follow(40) == pytest.approx(follow(80), abs=1e-6) == pytest.approx(follow(240), abs=1e-6)


def test_the_spring_does_not_overshoot_and_does_not_lag_behind_a_constant_speed() -> None:
    at, velocity, errors = 0.0, (0.0, 0.0), []
    for tick in range(1, 200):
        error = 10.0 + 25.0 * tick / 100 - at
        step, velocity = approach_target((error, 0), (25.0, 0), velocity, 0.01, 0.1, 0)
        at += step[0]
        errors.append(error - step[0])
    assert min(errors) > -0.01 * 10
    assert errors[-1] == pytest.approx(0, abs=1e-3)


def test_with_an_acceleration_limit_it_stops_at_the_target() -> None:
    at, velocity, errors = 0.0, (0.0, 0.0), []
    for _ in range(200):
        error = (30.0 - at, 0.0)
        step, after = approach_target(error, (0.0, 0.0), velocity, 0.01, 0.0, 0)
        step, velocity = brake(step, after, velocity, error, 0.01, 400.0, 3000.0)
        at += step[0]
        errors.append(30.0 - at)
    assert min(errors) > -0.5
    assert errors[-1] == pytest.approx(0, abs=0.05)
