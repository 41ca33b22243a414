"""Steps between frames: one curve at every rate, within every limit, and none that is stale."""

import math
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from aim_helpers import MS, LoggingPointer
from hypothesis import given, settings
from hypothesis import strategies as st
from pointer_helpers import SCALE, START_NS, Rig, draw
from wait_helpers import wait_until

from aimbot.pointer_thread import PointerThread
from aimbot.safety import Gates, Refusal, SafetyEnvelope, SafetySettings
from aimbot.target import XY, Command
from aimbot.trajectory import Motion
from capture.clock import monotonic_ns, sleep_s

WAYS = st.tuples(st.floats(-400, 400), st.floats(-200, 200))
MOVES = st.tuples(st.floats(-600, 600), st.floats(-300, 300))
SMOOTHINGS = st.sampled_from([0.0, 0.02, 0.05, 0.1])
RATES_HZ = st.sampled_from([60, 125, 250, 500])
TIMES_MS = st.integers(3, 60)


@settings(deadline=None)
@given(WAYS, MOVES, SMOOTHINGS, RATES_HZ, TIMES_MS, st.floats(0, 5))
def test_many_steps_go_as_far_as_one_over_the_same_time(
    way: XY, moves: XY, smoothing_s: float, rate_hz: int, time_ms: int, dead_deg: float
) -> None:
    trajectory = draw(way, moves, smoothing_s, dead_zone_deg=dead_deg).end_at_dead_zone()
    rig = Rig(rate_hz)
    rig.follower.follow(trajectory)
    rig.run(START_NS + time_ms * MS)
    steps = rig.follower.take()
    period_ns = round(1e9 / rate_hz)
    end_ns = START_NS + time_ms * MS // period_ns * period_ns
    whole = Motion().step(trajectory, trajectory.way_at(end_ns), (end_ns - START_NS) / 1e9)
    assert whole is not None
    assert abs(sum(step.dx_counts for step in steps) - whole[0]) <= 1
    assert abs(sum(step.dy_counts for step in steps) - whole[1]) <= 1
    assert rig.pointer.total == (
        sum(step.dx_counts for step in steps),
        sum(step.dy_counts for step in steps),
    )


@settings(deadline=None)
@given(WAYS, WAYS, SMOOTHINGS)
def test_a_new_trajectory_goes_on_at_the_speed_that_is_as_one_step_a_frame_does(
    first: XY, second: XY, smoothing_s: float
) -> None:
    rig, motion, sent = Rig(), Motion(), (0, 0)
    for index, way in enumerate((first, second, second)):
        at_ns = START_NS + index * 20 * MS
        left = way[0] - sent[0], way[1] - sent[1]
        rig.follower.follow(draw(left, smoothing_s=smoothing_s, at_ns=at_ns))
        rig.run(at_ns + 20 * MS)
        steps = rig.follower.take()
        whole = motion.step(draw(left, smoothing_s=smoothing_s), left, 0.02)
        sent = rig.pointer.total
        assert whole is not None
        assert abs(sum(step.dx_counts for step in steps) - whole[0]) <= 1
        assert abs(sum(step.dy_counts for step in steps) - whole[1]) <= 1


@settings(deadline=None)
@given(WAYS, MOVES, SMOOTHINGS, st.floats(20, 2_000), st.sampled_from([0.0, 3_000.0]))
def test_no_step_is_faster_than_the_limit(
    way: XY, moves: XY, smoothing_s: float, most_speed: float, most: float
) -> None:
    rig = Rig()
    limits = {"max_speed_deg_per_s": most_speed, "max_acceleration_deg_per_s2": most}
    rig.follower.follow(draw(way, moves, smoothing_s, **limits))
    rig.run(START_NS + 80 * MS)
    times = [START_NS]
    for step in rig.follower.take():
        # A count more on each axis: rounding, and what the step before had left.
        turned = math.hypot(
            *(max(abs(n) - 1, 0) * s for n, s in zip((step.dx_counts, step.dy_counts), SCALE, strict=True))
        )
        assert turned <= most_speed * (step.time_ns - times[-1]) / 1e9 + 1e-6
        times.append(step.time_ns)


@settings(deadline=None)
@given(WAYS, MOVES, SMOOTHINGS)
def test_mirrored_ways_give_mirrored_steps(way: XY, moves: XY, smoothing_s: float) -> None:
    steps = []
    for sign in (1, -1):
        rig = Rig()
        rig.follower.follow(
            draw((sign * way[0], sign * way[1]), (sign * moves[0], sign * moves[1]), smoothing_s)
        )
        rig.run(START_NS + 50 * MS)
        steps.append([(move.time_ns, move.dx_counts, move.dy_counts) for move in rig.follower.take()])
    assert steps[0] == [(time_ns, -dx, -dy) for time_ns, dx, dy in steps[1]]


@settings(deadline=None)
@given(WAYS, MOVES, SMOOTHINGS, st.integers(1, 300), st.integers(1, 400))
def test_the_steps_of_a_frame_and_of_a_second_keep_the_caps(
    way: XY, moves: XY, smoothing_s: float, most_a_frame: int, most_a_second: int
) -> None:
    safety = SafetySettings(max_counts_per_move=most_a_frame, max_counts_per_s=most_a_second)
    rig, total = Rig(safety=safety), 0.0
    for index in range(8):
        rig.follower.follow(draw(way, moves, smoothing_s, at_ns=rig.clock.now_ns))
        rig.run(START_NS + (index + 1) * 25 * MS)
        lengths = [math.hypot(move.dx_counts, move.dy_counts) for move in rig.follower.take()]
        assert sum(lengths) <= most_a_frame + 1e-6
        total += sum(lengths)
    assert total <= most_a_second + 1e-6


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e308])
def test_what_is_not_finite_moves_nothing(bad: float) -> None:
    rig = Rig()
    for trajectory in (draw((bad, 0.0)), draw((10.0, 0.0), (bad, 0.0)), draw((10.0, bad))):
        rig.follower.follow(trajectory)
        rig.run(rig.clock.now_ns + 20 * MS)
    events = [event for event in rig.pointer.events if not all(map(math.isfinite, event[1:]))]  # type: ignore[arg-type]
    assert events == []
    assert rig.follower.advance() is None or bad == 1e308


@pytest.mark.parametrize(("budget_ms", "lasts_ms"), [(30, 20), (500, 100)])
def test_a_trajectory_ends_with_its_frames_budget_and_never_later_than_a_step_may_be_long(
    budget_ms: float, lasts_ms: int
) -> None:
    rig = Rig(budget_ms=budget_ms)
    rig.follower.follow(draw((0.0, 0.0), (5_000.0, 0.0), 0.0))
    rig.run(START_NS + 400 * MS)
    steps = rig.follower.take()
    assert steps[-1].time_ns == START_NS + lasts_ms * MS
    assert sum(step.dx_counts for step in steps) == pytest.approx(5 * lasts_ms, abs=1)
    assert rig.follower.advance() is None
    assert rig.envelope.refusals == {}


@pytest.mark.parametrize(
    ("close", "refusals"),
    [
        (lambda rig: setattr(rig, "gates", Gates(False, True)), {Refusal.NOT_ARMED: 1}),
        (lambda rig: setattr(rig, "gates", Gates(True, False)), {Refusal.NO_FOCUS: 1}),
        (lambda rig: rig.envelope.stop(), {Refusal.STOPPED: 1}),
        (lambda rig: rig.envelope.apply_settings(SafetySettings(), 1), {}),
    ],
    ids=["disarmed", "no focus", "panic", "a smaller budget"],
)
def test_once_the_gates_close_no_step_is_taken_and_the_button_is_released(
    close: Callable[[Rig], None], refusals: dict[Refusal, int]
) -> None:
    rig = Rig()
    rig.envelope.apply(Command(0, 0, True), START_NS)
    rig.follower.follow(draw((0.0, 0.0), (2_000.0, 0.0), 0.0))
    rig.run(START_NS + 10 * MS)
    before = rig.pointer.total
    assert before == (20, 0)
    close(rig)
    rig.run(START_NS + 40 * MS)
    assert rig.pointer.total == before
    assert rig.envelope.refusals == refusals
    assert (rig.pointer.events[-1] == ("release",)) == bool(refusals)
    assert rig.follower.advance() is None
    rig.gates = Gates(True, True)
    again = rig.envelope.apply(Command(0, 0, True), rig.clock.now_ns)
    assert not refusals or again.refusal in (Refusal.LET_GO, Refusal.STOPPED)


def test_between_take_and_follow_nothing_moves() -> None:
    rig = Rig()
    rig.follower.follow(draw((300.0, 0.0)))
    rig.run(START_NS + 10 * MS)
    assert rig.follower.take()
    before = rig.pointer.total
    rig.run(START_NS + 30 * MS)
    assert rig.pointer.total == before
    assert rig.follower.take() == []


def test_a_step_leaves_the_button_as_it_is() -> None:
    rig = Rig()
    rig.envelope.apply(Command(0, 0, True), START_NS)
    rig.follower.follow(draw((300.0, 0.0)))
    rig.run(START_NS + 10 * MS)
    assert {event[0] for event in rig.pointer.events[1:]} == {"move"}


def test_two_steps_are_never_close_together_however_late_the_thread_wakes() -> None:
    rig = Rig()
    rig.follower.follow(draw((0.0, 0.0), (5_000.0, 0.0), 0.0))
    for late_us in (1_900, 0, 1_950, 0, 7_300, 0, 100, 1_999):
        wait_s = rig.follower.advance()
        assert wait_s is not None
        rig.clock.now_ns += round(wait_s * 1e9) + late_us * 1_000
    times = [step.time_ns for step in rig.follower.take()]
    assert min(after - before for before, after in pairwise(times)) >= MS


def make_live(pointer: LoggingPointer) -> PointerThread:
    envelope = SafetyEnvelope(pointer, SafetySettings(), 10_000, monotonic_ns, lambda: Gates(True, True))
    return PointerThread(envelope, monotonic_ns, 500)


def test_the_thread_steps_by_itself_waits_without_a_trajectory_and_is_gone_after_the_block() -> None:
    before, pointer = threading.active_count(), LoggingPointer()
    with make_live(pointer) as follower:
        sleep_s(0.02)
        assert pointer.events == []
        follower.follow(draw((0.0, 0.0), (1_000.0, 0.0), 0.0, at_ns=monotonic_ns()))
        assert wait_until(lambda: pointer.total[0] >= 10)
        assert sum(step.dx_counts for step in follower.take()) == pointer.total[0]
    assert threading.active_count() == before
    follower.close()


def test_what_the_pointer_raises_is_raised_where_the_moves_are_taken_once() -> None:
    class Broken(LoggingPointer):
        def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
            raise RuntimeError("no mouse")

    with make_live(Broken()) as follower:
        follower.follow(draw((300.0, 0.0), at_ns=monotonic_ns()))
        assert follower._thread is not None
        follower._thread.join(5)
        with pytest.raises(RuntimeError, match="no mouse"):
            follower.take()
        assert follower.take() == []
