"""The search finds what is there, and nothing that is chance."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from benchmarks.aim.search import INADMISSIBLE, Measure, Point, descend, is_better, take_back

GRID = {"a": (0.0, 1.0, 2.0, 3.0, 4.0), "b": (0.0, 5.0, 10.0, 20.0), "c": (1.0, 2.0)}
BEST = (3.0, 10.0, 2.0)
START = (0.0, 0.0, 1.0)
EPISODES = 8


def measure_with(score: Callable[[Point], float], spread: float = 0.0) -> Measure:
    """Scores of episodes that differ among each other, and by `spread` from point to point."""

    def measure(points: Sequence[Point]) -> list[np.ndarray]:
        return [
            score(point)
            + np.arange(EPISODES)
            + spread * np.random.default_rng([int(10 * value) for value in point]).normal(size=EPISODES)
            for point in points
        ]

    return measure


def rate_planted(point: Point) -> float:
    a, b, c = point
    return -((a - BEST[0]) ** 2) - abs(b - BEST[1]) - 0.1 * (a - BEST[0]) * (b - BEST[1]) + (c == BEST[2])


def test_a_planted_optimum_is_found() -> None:
    assert descend(GRID, START, measure_with(rate_planted), rounds=3) == BEST


def test_a_planted_optimum_is_found_under_noise_that_the_pairs_leave() -> None:
    assert descend(GRID, START, measure_with(rate_planted, spread=0.2), rounds=3) == BEST


def test_a_start_beside_the_grid_is_kept_where_nothing_is_better() -> None:
    start = (0.7, 0.3, 1.5)
    assert descend(GRID, start, measure_with(lambda _point: 1.0), rounds=2) == start


def test_no_inadmissible_point_is_chosen_and_an_inadmissible_start_is_left() -> None:
    def rate(point: Point) -> float:
        return INADMISSIBLE if point[0] in (0.0, 3.0) else rate_planted(point)

    found = descend(GRID, START, measure_with(rate), rounds=3)
    assert found[0] in (2.0, 4.0)
    assert found[1:] == BEST[1:]


def test_a_search_ends_when_a_round_changes_nothing() -> None:
    calls = []
    inner = measure_with(rate_planted)

    def measure(points: Sequence[Point]) -> Sequence[np.ndarray]:
        calls.append(points)
        return inner(points)

    descend(GRID, BEST, measure, rounds=10)
    assert len(calls) == len(GRID)


def test_a_change_that_is_worth_nothing_is_taken_back() -> None:
    def rate(point: Point) -> float:
        return -abs(point[0] - 3.0)  # the others do nothing

    assert take_back(START, BEST, measure_with(rate)) == (3.0, 0.0, 1.0)


@pytest.mark.parametrize(("gain", "wins"), [(0.0, False), (0.5, True), (-0.5, False)])
def test_what_is_better_has_to_win_by_more_than_chance(gain: float, wins: bool) -> None:
    scores = np.random.default_rng(3).normal(size=50)
    noise = np.random.default_rng(4).normal(size=50)
    noise -= noise.mean()
    assert is_better(scores + gain + noise, scores) == wins
    assert not is_better(scores + abs(gain) + 10 * noise, scores)
