"""Policies, zones and the lock."""

from typing import Any

import numpy as np
import pytest
from aim_helpers import MS, doom_view, make_detections, make_frame

from aimbot.aimer import Aimer, AimSettings
from aimbot.hand import HandMove
from aimbot.selector import SelectorSettings
from capture.frame import Frame, Region
from detection.detections import Detections

NEAR, FAR, BIG = [330, 230, 350, 270], [420, 200, 440, 240], [180, 120, 260, 330]


def make_aimer(**selector: Any) -> Aimer:
    return Aimer(AimSettings(view=doom_view(), selector=SelectorSettings(**selector)), ["monster", "friend"])


def choose(aimer: Aimer, found: Detections, index: int = 0) -> list[float] | None:
    target = aimer.select(make_frame(index, index * 16 * MS), found)
    return None if target is None else list(target.box_xyxy_px)


@pytest.mark.parametrize(
    ("policy", "expected"), [("nearest", NEAR), ("nearest_centre", NEAR), ("largest", BIG)]
)
def test_the_policy_chooses(policy: str, expected: list[float]) -> None:
    assert choose(make_aimer(policy=policy), make_detections([FAR, BIG, NEAR])) == expected


def test_the_most_confident_is_chosen_where_the_policy_says_so() -> None:
    found = make_detections([NEAR, FAR])
    found.confidence[:] = [0.7, 0.9]
    assert choose(make_aimer(policy="most_confident"), found) == FAR


def test_by_centre_and_by_aim_point_the_nearest_may_differ() -> None:
    low, tall = [300, 252, 340, 292], [300, 120, 340, 330]
    head = {"aim_point": (0.5, 0.0)}  # 12 px and 120 px from the crosshair; the centres 32 and 15
    assert choose(make_aimer(policy="nearest", **head), make_detections([low, tall])) == low
    assert choose(make_aimer(policy="nearest_centre", **head), make_detections([low, tall])) == tall


def test_a_class_of_priority_goes_before_a_nearer_one_and_takes_the_lock() -> None:
    aimer = make_aimer(priority=("friend",))
    assert choose(aimer, make_detections([NEAR])) == NEAR
    found = make_detections([NEAR, FAR])
    found.class_id[:] = [0, 1]
    assert choose(aimer, found, 1) == FAR


@pytest.mark.parametrize("zone", [(0.0, 0.5, 1.0, 1.0), (0.5, 0.5, 0.6, 0.6)])
def test_what_lies_in_an_excluded_zone_is_no_target(zone: tuple[float, float, float, float]) -> None:
    aimer = make_aimer(exclude=(zone,))
    assert choose(aimer, make_detections([NEAR])) is None
    assert choose(aimer, make_detections([NEAR, FAR]), 1) == FAR


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="left < right"):
        SelectorSettings(exclude=((0.5, 0.0, 0.5, 1.0),))


def test_another_has_to_be_nearer_for_as_long_as_the_settings_say() -> None:
    aimer = make_aimer(switch_margin_deg=2.0, switch_after_s=0.1)
    assert choose(aimer, make_detections([FAR])) == FAR
    chosen = [choose(aimer, make_detections([FAR, NEAR]), index) for index in range(1, 12)]
    switched = chosen.index(NEAR)
    assert switched == 7  # first seen in frame 1: 0.1 s are over in frame 8
    assert chosen[switched:] == [NEAR] * (11 - switched)


def test_one_that_is_nearer_for_a_moment_changes_nothing() -> None:
    aimer = make_aimer(switch_margin_deg=2.0, switch_after_s=0.1)
    choose(aimer, make_detections([FAR]))
    for start in (1, 20, 40):
        for index in range(start, start + 5):
            assert choose(aimer, make_detections([FAR, NEAR]), index) == FAR
        assert choose(aimer, make_detections([FAR]), start + 15) == FAR  # the other is gone for good


def test_an_unsure_detection_has_to_stay_before_it_is_chosen() -> None:
    aimer = make_aimer(confirm_s=0.03, sure_confidence=0.6)
    assert choose(aimer, make_detections([NEAR], confidence=0.5)) is None
    assert choose(aimer, make_detections([NEAR], confidence=0.5), 1) is None
    assert choose(aimer, make_detections([NEAR], confidence=0.5), 2) == NEAR
    assert choose(make_aimer(confirm_s=0.03), make_detections([NEAR], confidence=0.7)) == NEAR


def test_an_unseen_target_yields_to_one_in_view_after_a_while() -> None:
    aimer = make_aimer(let_go_s=0.05)
    assert choose(aimer, make_detections([NEAR, FAR])) == NEAR
    chosen = [choose(aimer, make_detections([FAR]), index) for index in range(1, 8)]
    assert chosen == [NEAR] * 3 + [FAR] * 4  # frames are 16 ms apart


def test_a_target_that_was_shot_and_of_which_little_is_left_to_see_yields_at_once() -> None:
    half, rest = [330, 230, 350, 250], [336, 230, 344, 239]
    for fire, expected in ((True, FAR), (False, rest)):
        aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "rest_below": 1.2})
        assert choose(aimer, make_detections([NEAR, FAR])) == NEAR
        aimer.applied(1, 0, 0, fire)
        assert choose(aimer, make_detections([half, FAR]), 1) == half
        assert choose(aimer, make_detections([rest, FAR]), 2) == expected


def test_the_only_target_is_none_once_it_was_shot_and_fell_until_it_is_seen_again() -> None:
    for fire, expected in ((True, None), (False, NEAR)):
        aimer = make_aimer(shot={"let_go_s": 0.0, "shows_s": 0.02})
        assert choose(aimer, make_detections([NEAR])) == NEAR
        aimer.applied(1, 0, 0, fire)
        for index in range(1, 6):  # for longer than a shot shows
            assert choose(aimer, make_detections([]), index) == expected
        assert choose(aimer, make_detections([NEAR]), 6) == NEAR


@pytest.mark.parametrize(("gone_at", "expected"), [(2, NEAR), (4, FAR), (7, NEAR)])
def test_who_goes_sooner_or_later_than_a_shot_shows_has_not_fallen(gone_at: int, expected: list[int]) -> None:
    window = {"let_go_s": 0.0, "shows_after_s": 3.5 * 0.016, "shows_s": 6.5 * 0.016}
    aimer = make_aimer(let_go_s=0.1, shot=window)
    assert choose(aimer, make_detections([NEAR, FAR])) == NEAR
    aimer.applied(1, 0, 0, True)
    for index in range(1, gone_at):
        assert choose(aimer, make_detections([NEAR, FAR]), index) == NEAR
    for index in range(gone_at, gone_at + 6):
        assert choose(aimer, make_detections([FAR]), index) == expected


def test_who_goes_late_after_the_shot_has_to_stay_away_for_longer() -> None:
    window = {"let_go_s": 0.0, "shows_s": 6.5 * 0.016, "late_s": 3.5 * 0.016, "doubt_let_go_s": 0.5 * 0.016}
    for gone_at, expected in ((3, [FAR] * 3), (4, [NEAR, FAR, FAR])):
        aimer = make_aimer(let_go_s=0.1, shot=window)
        choose(aimer, make_detections([NEAR, FAR]))
        aimer.applied(1, 0, 0, True)
        for index in range(1, gone_at):
            assert choose(aimer, make_detections([NEAR, FAR]), index) == NEAR
        chosen = [choose(aimer, make_detections([FAR]), index) for index in range(gone_at, gone_at + 3)]
        assert chosen == expected


def test_who_was_shot_less_often_than_the_last_kills_took_has_to_stay_away_for_longer() -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "doubt_let_go_s": 0.5 * 0.016})
    last = [140, 200, 160, 240]
    for index in range(2):  # the first one falls to the second shot
        assert choose(aimer, make_detections([NEAR, FAR]), index) == NEAR
        aimer.applied(index * 16 * MS + 1, 0, 0, True)
        aimer.applied(index * 16 * MS + 2, 0, 0, False)
    for index in range(2, 13):  # until its track has ended
        assert choose(aimer, make_detections([FAR, last]), index) == FAR
    aimer.applied(12 * 16 * MS + 1, 0, 0, True)
    assert [choose(aimer, make_detections([last]), index) for index in (13, 14)] == [FAR, last]


def test_a_weak_part_of_who_was_shot_often_enough_is_no_target_and_a_clear_part_is() -> None:
    part = [330, 230, 350, 245]  # three eighths of it
    for confidence, expected in ((0.4, FAR), (0.9, part)):
        aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "rest_below": 1.2})
        assert choose(aimer, make_detections([NEAR, FAR])) == NEAR
        aimer.applied(1, 0, 0, True)
        found = make_detections([part, FAR])
        found.confidence[:] = [confidence, 0.9]
        assert choose(aimer, found, 1) == expected
        found.confidence[:] = [0.9, 0.9]
        assert choose(aimer, found, 2) == expected  # what is left of who fell is none, however sure
        assert choose(aimer, make_detections([NEAR, FAR]), 3) == NEAR


def test_a_part_of_who_fell_is_a_target_again_once_it_is_seen_for_longer_than_remains_are() -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "rest_below": 1.2})
    part = [330, 230, 350, 245]
    assert choose(aimer, make_detections([NEAR])) == NEAR
    aimer.applied(1, 0, 0, True)
    weak = make_detections([part])
    weak.confidence[:] = 0.4
    assert choose(aimer, weak, 1) is None
    chosen = [choose(aimer, make_detections([part]), index) for index in range(2, 40)]
    assert chosen.index(part) == pytest.approx(0.5 / 0.016, abs=2)
    assert chosen[-1] == part


@pytest.mark.parametrize(
    ("shows", "seen_at", "is_rest"),
    [({}, 4, True), ({"shows_after_s": 4.5 * 0.016}, 4, False), ({"late_s": 3.5 * 0.016}, 4, False)],
)
def test_a_weak_part_is_a_rest_in_the_time_alone_in_which_a_shot_shows(
    shows: dict[str, float], seen_at: int, is_rest: bool
) -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "rest_below": 1.2, **shows})
    for index in range(seen_at):
        assert choose(aimer, make_detections([NEAR, FAR]), index) == NEAR
        if index == 0:
            aimer.applied(1, 0, 0, True)
    part = [330, 230, 350, 245]
    found = make_detections([part, FAR])
    found.confidence[:] = [0.4, 0.9]
    assert choose(aimer, found, seen_at) == (FAR if is_rest else part)


def test_without_a_limit_a_part_that_is_seen_is_the_target_whatever_was_shot() -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0})
    assert choose(aimer, make_detections([NEAR])) == NEAR
    aimer.applied(1, 0, 0, True)
    assert choose(aimer, make_detections([]), 1) is None
    part = [330, 230, 350, 245]
    assert choose(aimer, make_detections([part]), 2) == part


def test_a_rest_is_believed_at_once_however_long_one_that_is_unseen_is_waited_for() -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.1, "rest_below": 1.2})
    assert choose(aimer, make_detections([NEAR, FAR])) == NEAR
    aimer.applied(1, 0, 0, True)
    found = make_detections([[330, 230, 350, 245], FAR])
    found.confidence[:] = [0.4, 0.9]
    assert choose(aimer, found, 1) == FAR


@pytest.mark.parametrize(("confidence", "stays"), [(0.4, True), (0.1, False)])
def test_the_rest_of_who_was_shot_too_seldom_must_be_weaker(confidence: float, stays: bool) -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "rest_below": 1.2})
    for index in range(2):  # a kill that takes two shots
        assert choose(aimer, make_detections([NEAR, FAR]), index) == NEAR
        aimer.applied(index * 16 * MS + 1, 0, 0, True)
        aimer.applied(index * 16 * MS + 2, 0, 0, False)
    for index in range(2, 13):
        assert choose(aimer, make_detections([FAR]), index) == FAR
    aimer.applied(12 * 16 * MS + 1, 0, 0, True)
    part, last = [420, 200, 440, 212], [140, 200, 160, 240]  # three tenths of it
    found = make_detections([part, last])
    found.confidence[:] = [confidence, 0.9]
    assert choose(aimer, found, 13) == (part if stays else last)


def test_a_hidden_target_yields_whatever_the_hand_did_up_and_down_where_the_game_has_no_such_look() -> None:
    view = doom_view().model_copy(update={"pitch_deg_per_count": 0.0})
    aimer = Aimer(AimSettings(view=view, selector=SelectorSettings(let_go_s=0.1)), ["monster"])
    under = [300, 200, 350, 300]
    choose(aimer, make_detections([NEAR]))
    choose(aimer, make_detections([NEAR, under]), 1)
    aimer.turned_by_hand([HandMove(17 * MS, 0, 300)])
    assert choose(aimer, make_detections([under]), 2) == under


def test_a_hidden_target_yields_at_once_to_one_under_the_crosshair_and_not_to_another() -> None:
    under = [300, 200, 350, 300]
    for other, expected in ((under, under), (FAR, NEAR)):
        aimer = make_aimer(let_go_s=0.1)
        assert choose(aimer, make_detections([NEAR])) == NEAR
        assert choose(aimer, make_detections([NEAR, other]), 1) == NEAR
        assert choose(aimer, make_detections([other]), 2) == expected


def test_what_is_left_of_the_only_target_stays_the_target() -> None:
    aimer = make_aimer(let_go_s=0.0)
    rest = [335, 230, 344, 244]
    assert choose(aimer, make_detections([NEAR])) == NEAR
    assert choose(aimer, make_detections([rest]), 1) == rest


def test_a_target_that_stays_small_is_whole_again() -> None:
    aimer = make_aimer(let_go_s=0.0)
    small = [335, 230, 344, 244]
    choose(aimer, make_detections([NEAR, FAR]))
    chosen = [choose(aimer, make_detections([small, FAR]), index) for index in range(1, 20)]
    assert chosen[0] == FAR
    assert chosen[-1] == small  # 0.3 s later


def test_a_target_that_is_known_is_followed_with_less_confidence_than_a_new_one_needs() -> None:
    aimer = make_aimer(min_confidence=0.5)
    assert choose(aimer, make_detections([NEAR], confidence=0.4)) is None
    assert choose(aimer, make_detections([NEAR], confidence=0.6), 1) == NEAR
    target = aimer.select(make_frame(2, 32 * MS), make_detections([NEAR], confidence=0.4))
    assert target is not None
    assert target.age_ns == 0


def test_what_is_seen_once_is_not_confirmed_by_the_time_that_passes() -> None:
    aimer = make_aimer(confirm_s=0.03, sure_confidence=0.6)
    doubtful, none = make_detections([NEAR], confidence=0.4), make_detections([])
    assert choose(aimer, doubtful) is None
    assert [choose(aimer, none, index) for index in range(1, 8)] == [None] * 7


def test_pictures_without_boxes_end_the_track_and_its_lock() -> None:
    aimer = make_aimer()
    first = aimer.select(make_frame(0, 0), make_detections([NEAR]))
    chosen = [choose(aimer, make_detections([]), index) for index in range(1, 12)]
    assert chosen == [NEAR] * 9 + [None] * 2  # a track is kept for 0.15 s
    again = aimer.select(make_frame(12, 192 * MS), make_detections([NEAR]))
    assert first is not None
    assert again is not None
    assert (first.track_id, again.track_id) == (1, 2)


def test_a_picture_of_another_size_is_seen_through_another_view() -> None:
    aimer = make_aimer()
    choose(aimer, make_detections([]))
    frame = Frame(np.zeros((240, 320, 3), np.uint8), 16 * MS, 1, Region(0, 0, 320, 240))
    found = make_detections([[160, 115, 170, 135]])
    here, afresh = aimer.select(frame, found), make_aimer().select(frame, found)
    assert here is not None
    assert afresh is not None
    assert here.bearing_counts == afresh.bearing_counts
