"""Which level the governor chooses, from ages alone."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from aim_helpers import MS

from aimbot.governor import MOST_CALM_NS, Governor

SECOND = 1000 * MS
TARGET_MS = 25.0


def play(
    governor: Governor,
    age_ms: Callable[[int, float], float],
    seconds: float,
    hz: float = 35.0,
    at_s: float = 0.0,
) -> list[tuple[float, int, bool]]:
    """Time, level and lateness of each frame, whose age is a function of its level and time."""
    frames = []
    for number in range(round(seconds * hz)):
        now_s, level = at_s + number / hz, governor.level
        age = age_ms(level, now_s)
        governor.note(round(age * MS), round((1 + now_s) * SECOND))
        frames.append((now_s, level, age > TARGET_MS))
    return frames


def held_by(least_level: int) -> Callable[[int, float], float]:
    """A load under which this level and the cheaper ones stay young."""
    return lambda level, _now_s: 10.0 if level >= least_level else 60.0


def count_changes(frames: list[tuple[float, int, bool]]) -> int:
    return sum(before[1] != after[1] for before, after in pairwise(frames))


@pytest.mark.parametrize("hz", [20.0, 35.0, 144.0])
def test_it_steps_down_to_the_level_that_holds_within_half_a_second_at_any_rate(hz: float) -> None:
    governor = Governor(4, TARGET_MS)
    frames = play(governor, held_by(2), 1.5, hz)
    assert frames[-1][1] == 2
    assert sum(late for _, _, late in frames) / hz <= 0.5


def test_it_stays_where_it_is_while_the_pixels_are_young() -> None:
    assert count_changes(play(Governor(4, TARGET_MS), held_by(0), 60)) == 0


def test_a_late_frame_now_and_then_is_no_load() -> None:
    governor = Governor(4, TARGET_MS)
    assert count_changes(play(governor, lambda _level, now_s: 60.0 if now_s % 1 < 0.05 else 10.0, 30)) == 0


def test_a_pause_in_which_nothing_was_drawn_is_not_lateness() -> None:
    governor = Governor(2, TARGET_MS)
    for second in range(1, 20):
        governor.note(60 * MS, second * SECOND)  # a picture every second counts a tenth of it
    assert governor.level == 0


def test_it_climbs_back_when_the_load_has_gone() -> None:
    governor = Governor(4, TARGET_MS)
    play(governor, held_by(3), 3)
    assert governor.level == 3
    frames = play(governor, held_by(0), 20, at_s=3.0)
    assert frames[-1][1] == 0
    assert count_changes(frames) == 3
    assert next(now_s for now_s, level, _ in frames if level == 0) < 3 + 10


def test_under_a_steady_load_it_tries_the_dearer_level_ever_less_often() -> None:
    governor = Governor(4, TARGET_MS)
    frames = play(governor, held_by(2), 120)
    trials = [after[0] for before, after in pairwise(frames) if (before[1], after[1]) == (2, 1)]
    gaps = [late - early for early, late in pairwise(trials)]
    assert all(early < late + 0.1 for early, late in pairwise(gaps))
    assert gaps[-1] == pytest.approx(MOST_CALM_NS / SECOND, abs=0.5)
    assert sum(late for now_s, _, late in frames if now_s > 30) / (90 * 35) < 0.02


def test_a_trial_that_holds_lets_the_next_one_come_soon() -> None:
    governor = Governor(2, TARGET_MS)
    play(governor, held_by(1), 60)  # the waits have grown
    play(governor, held_by(0), 30, at_s=60.0)
    assert governor.level == 0
    play(governor, held_by(1), 1, at_s=90.0)
    assert governor.level == 1
    frames = play(governor, held_by(0), 4, at_s=91.0)
    assert frames[-1][1] == 0


def test_at_the_lowest_level_it_stays_however_late_it_is() -> None:
    governor = Governor(3, TARGET_MS)
    frames = play(governor, held_by(9), 60)
    assert frames[-1][1] == 2
    assert count_changes(frames) == 2


def test_with_one_level_there_is_nothing_to_choose() -> None:
    governor = Governor()
    play(governor, held_by(9), 10)
    assert governor.level == 0


def test_the_same_ages_give_the_same_levels_and_a_new_run_begins_afresh() -> None:
    def age_ms(level: int, now_s: float) -> float:
        return (70.0, 40.0, 12.0)[level] if 5 < now_s % 20 < 12 else 9.0

    one, other = Governor(3, TARGET_MS), Governor(3, TARGET_MS)
    first = play(one, age_ms, 60)
    assert first == play(other, age_ms, 60)
    one.start()
    assert first == play(one, age_ms, 60)
    assert {level for _, level, _ in first} == {0, 1, 2}


def test_a_new_target_holds_from_the_next_frame() -> None:
    governor = Governor(2, TARGET_MS)
    play(governor, lambda _level, _now_s: 20.0, 3)
    assert governor.level == 0
    governor.aim_for(15.0)
    play(governor, lambda _level, _now_s: 20.0, 1, at_s=3.0)
    assert governor.level == 1
