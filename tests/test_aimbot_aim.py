"""Selector, controller, ledger and trigger, in closed loop with a simulated game."""

import math
from collections.abc import Collection

import pytest
from aim_helpers import MS, aim_settings, doom_view, make_detections, make_frame
from hypothesis import given
from hypothesis import strategies as st

from aimbot.aimer import Aimer, AimSettings
from aimbot.controller import Controller, ControllerSettings
from aimbot.ledger import CountLedger
from aimbot.selector import SelectorSettings
from aimbot.target import INERT, XY, Target
from aimbot.trigger import Trigger, TriggerSettings
from aimbot.view import View, ViewSettings
from capture.frame import Frame
from detection.detections import Detections, no_detections

FOCAL_PX = 320.0


class Game:
    """A monster at a yaw in degrees; the picture shows counts only after the latency."""

    def __init__(self, aimer: Aimer, yaw_deg: float, latency_ms: float, frame_ms: float = 16.0) -> None:
        self.aimer, self.yaw_deg, self.latency_ms, self.frame_ms = aimer, yaw_deg, latency_ms, frame_ms
        self.sent: list[tuple[int, int]] = []
        self.now_ns = 1_000 * MS
        self.frame_id = 0

    def view_deg(self, time_ns: int) -> float:
        return 0.1318 * sum(counts for sent_ns, counts in self.sent if sent_ns <= time_ns)

    def step(self, decide_ms: float = 10.0) -> float:
        """One frame; returns the true error in degrees when it was decided."""
        shown_deg = self.view_deg(self.now_ns - round(self.latency_ms * MS))
        x = 320 + FOCAL_PX * math.tan(math.radians(self.yaw_deg - shown_deg))
        frame = make_frame(self.frame_id, self.now_ns)
        found = make_detections([[x - 20, 200, x + 20, 280]]) if 0 < x < 640 else no_detections()
        decided_ns = self.now_ns + round(decide_ms * MS)
        target = self.aimer.select(frame, found)
        command = self.aimer.steer(frame, target, decided_ns)
        self.aimer.applied(decided_ns, command.dx_counts, command.dy_counts)
        self.sent.append((decided_ns, command.dx_counts))
        self.frame_id += 1
        self.now_ns += round(self.frame_ms * MS)
        return self.yaw_deg - self.view_deg(decided_ns)


def settle(latency_ms: float, assumed_ms: float, frame_ms: float = 16.0) -> list[float]:
    view = doom_view(assumed_ms).model_copy(
        update={"display_jitter_ms": 0.0}
    )  # this game has no pictures to wait for
    settings = AimSettings(
        view=view, controller=ControllerSettings(smoothing_s=0.02, max_speed_deg_per_s=2000)
    )
    game = Game(Aimer(settings, ["monster"]), 20.0, latency_ms, frame_ms)
    return [game.step() for _ in range(60)]


@pytest.mark.parametrize("latency_ms", [5.0, 20.0, 40.0, 60.0])
def test_a_known_latency_gives_no_overshoot_however_long_it_is(latency_ms: float) -> None:
    errors = settle(latency_ms, latency_ms)
    assert min(errors) > -0.4
    assert abs(errors[-1]) < 0.2


def test_without_the_ledgers_latency_the_same_loop_overshoots() -> None:
    """What the ledger is for: 60 ms that are not accounted for are corrected twice."""
    assert min(settle(60.0, 0.0)) < -3.0


def test_the_path_is_the_same_at_half_the_frame_rate() -> None:
    fast, slow = settle(20.0, 20.0, 8.0), settle(20.0, 20.0, 16.0)
    # dt comes from the stamps: after equal times the errors are alike.
    for frames in (4, 8, 16):
        assert fast[2 * frames] == pytest.approx(slow[frames], abs=1.5)


def test_turning_the_view_gives_a_still_target_no_velocity() -> None:
    aimer = Aimer(aim_settings(smoothing_s=0.03), ["monster"])
    game = Game(aimer, 15.0, 20.0)
    for _ in range(30):
        game.step()
    target = aimer.select(make_frame(99, game.now_ns), make_detections([[300, 200, 340, 280]]))
    assert target is not None
    assert abs(target.velocity_counts_per_s[0]) < 40  # 5 degrees a second, of a 20 degree turn in 0.1 s


def test_small_errors_are_left_alone() -> None:
    aimer = Aimer(aim_settings(dead_zone_deg=1.0, smoothing_s=0.0, lead=0), ["monster"])
    found = make_detections([[302, 208, 342, 288]])  # 2 px: 0.36 degrees
    for index in range(5):
        frame = make_frame(index, index * 16 * MS)
        command = aimer.steer(frame, aimer.select(frame, found), frame.captured_ns)
        assert command == INERT


def test_the_first_frame_of_a_target_moves_already() -> None:
    aimer = Aimer(aim_settings(smoothing_s=0.0, max_speed_deg_per_s=5000), ["monster"])
    frame = make_frame(0, 0)
    command = aimer.steer(frame, aimer.select(frame, make_detections([[440, 200, 480, 280]])), 10 * MS)
    assert command.dx_counts * 0.1318 == pytest.approx(math.degrees(math.atan(140 / 320)), abs=2.5)


@given(st.floats(-40, 40), st.floats(-20, 20))
def test_mirrored_input_gives_mirrored_counts(dx_px: float, dy_px: float) -> None:
    def steer(sign: int) -> tuple[int, int]:
        aimer = Aimer(aim_settings(smoothing_s=0.0, dead_zone_deg=0, lead=0), ["monster"])
        x, y = 320 + sign * dx_px, 240 + sign * dy_px
        command = INERT
        for index in range(2):
            frame = make_frame(index, index * 16 * MS)
            centred = make_detections([[x - 10, y - 10 * 0.8, x + 10, y + 10 * 1.2]])
            command = aimer.steer(frame, aimer.select(frame, centred), frame.captured_ns)
        return command.dx_counts, command.dy_counts

    right, left = steer(1), steer(-1)
    assert right[0] == pytest.approx(-left[0], abs=1)
    assert right[1] == pytest.approx(-left[1], abs=1)


def make_target(bearing_counts: XY, velocity: XY = (0.0, 0.0)) -> Target:
    box, half, none = (0, 0, 1, 1), (1.0, 1.0), (0.0, 0.0)
    return Target(1, 0, box, none, bearing_counts, bearing_counts, half, velocity, none, 0, is_clear=True)


def test_remainders_are_carried_and_not_lost() -> None:
    view = ViewSettings(yaw_deg_per_count=1.0, pitch_deg_per_count=1.0)
    controller = Controller(
        ControllerSettings(smoothing_s=0.1, dead_zone_deg=0, dead_zone_share=0, lead=0),
        Trigger(TriggerSettings(), is_flat=False),
        view,
    )
    ledger = CountLedger()
    for index in range(200):
        target = make_target((3.0, 0.0))
        command = controller.steer(target, ledger, index * 2 * MS, index * 2 * MS)
        ledger.add(index * 2 * MS, command.dx_counts, 0)
    # Each step is a twentieth of a count or less: truncation alone would never move.
    assert 2 <= ledger.total[0] <= 3


def test_the_speed_limit_holds_and_keeps_the_direction() -> None:
    aimer = Aimer(aim_settings(smoothing_s=0.0, max_speed_deg_per_s=100, lead=0), ["monster"])
    for index in range(2):
        frame = make_frame(index, index * 10 * MS)
        found = make_detections([[420, 300, 440, 340]])
        command = aimer.steer(frame, aimer.select(frame, found), frame.captured_ns)
    speed_deg = math.hypot(command.dx_counts * 0.1318, command.dy_counts * 0.1758)
    assert speed_deg <= 1.0 + 0.01
    assert command.dx_counts > 0
    assert command.dy_counts > 0


def test_what_is_not_finite_becomes_a_zero_command() -> None:
    controller = Controller(ControllerSettings(), Trigger(TriggerSettings(), is_flat=False), doom_view())
    bad = make_target((math.nan, 0.0))
    controller.steer(None, CountLedger(), 0, 0)
    assert controller.steer(bad, CountLedger(), 16 * MS, 16 * MS) == INERT


def select_id(aimer: Aimer, index: int, found: Detections) -> int | None:
    target = aimer.select(make_frame(index, index * 16 * MS), found)
    return target.track_id if target else None


def test_the_nearest_to_the_crosshair_is_chosen_and_kept_against_one_little_nearer() -> None:
    aimer = Aimer(aim_settings(), ["monster"])
    near, far = [340, 200, 380, 280], [480, 200, 520, 280]
    first = select_id(aimer, 0, make_detections([far, near]))
    target = aimer.select(make_frame(1, 16 * MS), make_detections([near]))
    assert target is not None
    assert target.box_xyxy_px == (340, 200, 380, 280)
    # Another appears at the same distance on the other side, a hair nearer: the lock stays.
    assert select_id(aimer, 2, make_detections([near, [262, 200, 302, 280]])) == first


def test_a_much_nearer_one_takes_the_lock() -> None:
    aimer = Aimer(aim_settings(), ["monster"])
    first = select_id(aimer, 0, make_detections([[520, 200, 560, 280]]))
    assert select_id(aimer, 1, make_detections([[520, 200, 560, 280], [300, 200, 340, 280]])) != first


def test_a_track_survives_a_missed_frame_and_dies_after_its_time() -> None:
    aimer = Aimer(aim_settings(), ["monster"])
    first = select_id(aimer, 0, make_detections([[340, 200, 380, 280]]))
    assert select_id(aimer, 1, no_detections()) == first
    assert select_id(aimer, 40, no_detections()) is None


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (SelectorSettings(classes=("friend",)), make_detections([[300, 200, 340, 280]])),
        (SelectorSettings(min_confidence=0.95), make_detections([[300, 200, 340, 280]])),
        (SelectorSettings(fov_radius_deg=5), make_detections([[500, 200, 540, 280]])),
        (SelectorSettings(), make_detections([[300, 200, 300, 280]])),
    ],
    ids=["class", "confidence", "field of view", "empty box"],
)
def test_what_the_filters_leave_out_is_no_target(settings: SelectorSettings, found: Detections) -> None:
    aimer = Aimer(AimSettings(view=doom_view(), selector=settings), ["monster", "friend"])
    assert aimer.select(make_frame(0, 0), found) is None


def test_the_aim_point_is_where_the_class_says() -> None:
    settings = SelectorSettings(aim_point=(0.5, 0.5), aim_points={"friend": (0.5, 0.1)})
    aimer = Aimer(AimSettings(view=doom_view(), selector=settings), ["monster", "friend"])
    target = aimer.select(make_frame(0, 0), make_detections([[300, 200, 340, 300]], class_id=1))
    assert target is not None
    assert target.aim_xy_px == pytest.approx((320, 210))


def fire_at(
    x_px: float, frames: int = 1, trigger: TriggerSettings | None = None, refused: Collection[int] = ()
) -> list[bool]:
    found = make_detections([[x_px - 20, 200, x_px + 20, 280]])
    return fire_on([found] * frames, trigger, refused)


def fire_on(
    pictures: list[Detections], trigger: TriggerSettings | None = None, refused: Collection[int] = ()
) -> list[bool]:
    """What the trigger wants at each picture, 20 ms apart; what it wants at `refused` is not done."""
    settings = AimSettings(
        view=doom_view(),
        controller=ControllerSettings(dead_zone_deg=30),
        trigger=trigger or TriggerSettings(enabled=True),
    )
    aimer = Aimer(settings, ["monster"])
    fired = []
    for index, found in enumerate(pictures):
        frame: Frame = make_frame(index, index * 20 * MS)
        target = aimer.select(frame, found)
        fired.append(aimer.steer(frame, target, frame.captured_ns).fire)
        aimer.applied(frame.captured_ns, 0, 0, fired[-1] and index not in refused)
        if index in refused:
            aimer.reset()
    return fired


def test_the_trigger_fires_inside_the_box_and_not_beside_it() -> None:
    assert fire_at(320) == [True]
    assert fire_at(333) == [True]
    assert fire_at(338) == [False]  # within the inset
    assert fire_at(350) == [False]
    assert fire_at(320, trigger=TriggerSettings()) == [False]


def test_a_press_is_held_then_let_go_until_the_interval_is_over() -> None:
    trigger = TriggerSettings(enabled=True, press_s=0.05, interval_s=0.1)
    assert fire_at(320, 7, trigger) == [True, True, True, False, False, True, True]


def test_what_is_left_of_a_target_is_not_fired_at() -> None:
    rapid = TriggerSettings(enabled=True, press_s=0.01, interval_s=0.01)
    whole, remnant = ([300, 200, 340, 280], [312, 230, 328, 245])
    sure, unsure = make_detections([whole]), make_detections([whole], confidence=0.2)
    for picture, is_fired_at in ((make_detections([remnant]), False), (unsure, False), (sure, True)):
        assert fire_on([sure, sure, picture], rapid) == [True, False, is_fired_at]


def test_a_press_that_was_refused_is_tried_again_at_once_and_waits_for_no_interval() -> None:
    trigger = TriggerSettings(enabled=True, press_s=0.03, interval_s=0.1)
    assert fire_at(320, 5, trigger, refused=[0, 1]) == [True, True, True, True, False]


@pytest.mark.parametrize("refused", [1, 3], ids=["it breaks off the press", "it comes between two"])
def test_no_refusal_brings_the_next_shot_nearer(refused: int) -> None:
    trigger = TriggerSettings(enabled=True, press_s=0.03, interval_s=0.1)
    assert fire_at(320, 6, trigger, refused=[refused]) == [True, True, False, False, False, True]


def test_new_settings_bring_no_shot_nearer() -> None:
    settings = aim_settings()
    settings = settings.model_copy(update={"trigger": TriggerSettings(enabled=True, interval_s=0.1)})
    aimer = Aimer(settings, ["monster"])
    found = make_detections([[300, 200, 340, 280]])
    aimer.applied(0, 0, 0, True)
    aimer.applied(60 * MS, 0, 0, False)
    aimer.apply_settings(settings)
    for index, is_fired in ((4, False), (5, True)):
        frame = make_frame(index, index * 20 * MS)
        assert aimer.steer(frame, aimer.select(frame, found), frame.captured_ns).fire is is_fired


def test_the_button_goes_up_between_two_presses_however_slow_the_frames_are() -> None:
    trigger = TriggerSettings(enabled=True, press_s=0.01, interval_s=0.015)
    assert fire_at(320, 4, trigger) == [True, False, True, False]


def test_the_search_turns_only_after_its_wait_and_never_fires() -> None:
    settings = aim_settings(search_deg_per_s=60, search_after_s=0.1)
    aimer = Aimer(settings, ["monster"])
    commands = []
    for index in range(20):
        frame = make_frame(index, index * 20 * MS)
        commands.append(aimer.steer(frame, aimer.select(frame, no_detections()), frame.captured_ns))
    assert all(command == INERT for command in commands[:5])
    turned = sum(command.dx_counts for command in commands) * 0.1318
    assert turned == pytest.approx(60 * 0.3, rel=0.1)
    assert not any(command.fire for command in commands)


def test_the_search_levels_the_view_at_its_pace_and_leaves_one_alone_that_has_no_vertical_look() -> None:
    for pitch, expected in ((0.1758, [-7, -7, -6, 0]), (0.0, [0] * 4)):
        settings = aim_settings(search_deg_per_s=-60, search_after_s=0)
        settings = settings.model_copy(
            update={"view": settings.view.model_copy(update={"pitch_deg_per_count": pitch})}
        )
        aimer = Aimer(settings, ["monster"])
        aimer.applied(1, 0, 20, False)
        ups = []
        for index in range(4):
            frame = make_frame(index, index * 20 * MS)
            command = aimer.steer(frame, aimer.select(frame, no_detections()), frame.captured_ns)
            aimer.applied(frame.captured_ns + 2, command.dx_counts, command.dy_counts, False)
            ups.append(command.dy_counts)
        assert ups == pytest.approx(expected, abs=1)
        assert sum(ups) == sum(expected)


def test_the_view_looks_down_no_further_than_the_settings_say_and_turns_all_the_same() -> None:
    aimer = Aimer(
        aim_settings(smoothing_s=0, max_speed_deg_per_s=1e6, dead_zone_share=0, max_pitch_deg=12), ["monster"]
    )
    low = make_detections([[360, 330, 400, 420]])
    for index in range(3):
        frame = make_frame(index, index * 20 * MS)
        command = aimer.steer(frame, aimer.select(frame, low), frame.captured_ns)
        aimer.applied(frame.captured_ns, command.dx_counts, command.dy_counts, False)
        if index == 0:
            assert command.dx_counts * 0.1318 == pytest.approx(10, abs=1)
    assert aimer.ledger.total[1] * 0.1758 == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize("up", [1, -1])
def test_the_limit_of_the_pitch_holds_for_a_target_that_goes_on_beyond_it(up: int) -> None:
    aimer = Aimer(aim_settings(smoothing_s=0.05, dead_zone_share=0, max_pitch_deg=6), ["monster"])
    for index in range(60):
        frame, shift = make_frame(index, index * 16 * MS), up * (2 * index - aimer.ledger.total[1] * 1.18)
        target = aimer.select(frame, make_detections([[310, 220 + shift, 330, 260 + shift]]))
        command = aimer.steer(frame, target, frame.captured_ns)
        aimer.applied(frame.captured_ns, command.dx_counts, command.dy_counts, False)
        assert abs(aimer.ledger.total[1]) * 0.1758 <= 6.2


def test_pixels_become_counts_through_the_field_of_view() -> None:
    view = View(ViewSettings(fov_deg=90, yaw_deg_per_count=0.5, pitch_deg_per_count=0.25), (640, 480))
    assert view.offset_counts((640, 240)) == pytest.approx((90, 0))
    assert view.offset_counts((320, 560)) == pytest.approx((0, 180))
    assert view.offset_counts((320, 240)) == (0, 0)


def test_a_crop_keeps_the_games_scale() -> None:
    whole = View(ViewSettings(fov_deg=90, game_width_px=640), (640, 480))
    crop = View(ViewSettings(fov_deg=90, game_width_px=640), (416, 416))
    assert crop.offset_counts((208 + 50, 208)) == pytest.approx(whole.offset_counts((320 + 50, 240)))


def test_the_ledger_tells_what_the_picture_shows() -> None:
    ledger = CountLedger()
    ledger.add(10, 5, 0)
    ledger.add(20, 3, -2)
    assert [ledger.total_at(t) for t in (9, 10, 19, 20, 99)] == [(0, 0), (5, 0), (5, 0), (8, -2), (8, -2)]


def test_the_ledger_forgets_old_entries_and_keeps_their_sum() -> None:
    ledger = CountLedger()
    for index in range(1000):
        ledger.add(index * 10 * MS, 1, 0)
    assert ledger.total == (1000, 0)
    assert ledger.total_at(9_990 * MS) == (1000, 0)
    assert ledger.total_at(8_990 * MS) == (900, 0)
    assert ledger.total_at(0)[0] > 0  # beyond what is kept: the oldest sum that is known
