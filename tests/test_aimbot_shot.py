"""What became of the target that was shot at."""

import pytest
from aim_helpers import MS, make_detections
from selector_helpers import FAR, NEAR, choose, make_aimer


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
        assert choose(aimer, found, 2) == part  # it lives
        assert choose(aimer, make_detections([NEAR, FAR]), 3) == NEAR


def test_a_part_of_who_fell_is_a_target_again_once_it_is_seen_for_longer_than_remains_are() -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "rest_below": 1.2})
    part = [330, 230, 350, 245]
    assert choose(aimer, make_detections([NEAR])) == NEAR
    aimer.applied(1, 0, 0, True)
    weak = make_detections([part])
    weak.confidence[:] = 0.4
    assert choose(aimer, weak, 1) is None
    chosen = [choose(aimer, weak, index) for index in range(2, 50)]
    assert chosen.index(part) == pytest.approx(0.6 / 0.016, abs=2)
    assert chosen[-1] == part


@pytest.mark.parametrize(
    ("shows", "seen_at", "is_rest"),
    [({}, 4, True), ({"shows_after_s": 4.5 * 0.016}, 4, False), ({"shows_s": 3.5 * 0.016}, 4, False)],
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


@pytest.mark.parametrize(("confidence", "expected"), [(0.4, "part"), (0.1, "last")])
def test_the_rest_of_who_was_shot_too_seldom_must_be_weaker_and_be_seen_twice(
    confidence: float, expected: str
) -> None:
    aimer = make_aimer(let_go_s=0.1, shot={"let_go_s": 0.0, "rest_below": 1.2, "doubt_let_go_s": 0.5 * 0.016})
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
    assert choose(aimer, found, 13) == part
    assert choose(aimer, found, 14) == {"part": part, "last": last}[expected]
