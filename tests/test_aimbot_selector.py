"""Policies, zones and the lock."""

import numpy as np
import pytest
from aim_helpers import MS, doom_view, make_detections, make_frame
from selector_helpers import BIG, FAR, NEAR, choose, make_aimer

from aimbot.aimer import Aimer, AimSettings
from aimbot.ledger import TimedMove
from aimbot.selector import SelectorSettings
from capture.frame import Frame, Region


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


def test_a_hidden_target_yields_whatever_the_hand_did_up_and_down_where_the_game_has_no_such_look() -> None:
    view = doom_view().model_copy(update={"pitch_deg_per_count": 0.0})
    aimer = Aimer(AimSettings(view=view, selector=SelectorSettings(let_go_s=0.1)), ["monster"])
    under = [300, 200, 350, 300]
    choose(aimer, make_detections([NEAR]))
    choose(aimer, make_detections([NEAR, under]), 1)
    aimer.turned([TimedMove(17 * MS, 0, 300)])
    assert choose(aimer, make_detections([under]), 2) == under


def test_a_hidden_target_yields_at_once_to_one_under_the_crosshair_and_not_to_another() -> None:
    under = [300, 200, 350, 300]
    for other, expected in ((under, under), (FAR, NEAR)):
        aimer = make_aimer(let_go_s=0.1)
        assert choose(aimer, make_detections([NEAR])) == NEAR
        assert choose(aimer, make_detections([NEAR, other]), 1) == NEAR
        assert choose(aimer, make_detections([other]), 2) == expected


def test_a_target_that_is_gone_at_once_from_under_the_crosshair_yields_to_one_that_is_there() -> None:
    on, beside, off = [300, 200, 350, 300], [296, 200, 322, 300], [340, 200, 390, 300]
    aimer = make_aimer(switch_margin_deg=10.0)
    assert choose(aimer, make_detections([on, beside])) == on
    assert choose(aimer, make_detections([off, beside]), 1) == beside
    aimer = make_aimer(switch_margin_deg=10.0)  # the crosshair is on its way to this one
    assert choose(aimer, make_detections([off])) == off
    assert choose(aimer, make_detections([off, beside]), 1) == off


def test_what_is_not_in_the_picture_may_stay_the_target_and_does_not_become_it() -> None:
    for fire, expected in ((False, NEAR), (True, None)):
        aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0})
        assert choose(aimer, make_detections([NEAR, FAR])) == NEAR
        aimer.applied(1, 0, 0, fire)
        assert choose(aimer, make_detections([]), 1) == expected
    assert choose(aimer, make_detections([FAR]), 2) == FAR


@pytest.mark.parametrize("aims_itself", [True, False])
def test_heights_count_where_the_game_does_not_aim_up_and_down_by_itself(aims_itself: bool) -> None:
    view = doom_view().model_copy(update={"vertical_autoaim": aims_itself})
    aimer = Aimer(AimSettings(view=view), ["monster"])
    over, beside = [315, 60, 325, 100], [360, 220, 380, 260]
    expected = over if aims_itself else beside
    assert choose(aimer, make_detections([over, beside])) == expected
    aimer = Aimer(AimSettings(view=view, selector=SelectorSettings(let_go_s=0.1)), ["monster"])
    assert choose(aimer, make_detections([beside])) == beside
    assert choose(aimer, make_detections([beside, over]), 1) == (over if aims_itself else beside)


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
