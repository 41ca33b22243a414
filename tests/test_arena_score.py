"""What the scorer makes of the game's truth, tic by tic."""

import math

import pytest

from arena.score import Episode, Scorer, find_p90, summarize
from arena.truth import Monster, Tic, TruthLog, decode_tic, encode_tic

ON, ASIDE = (300.0, 200.0, 340.0, 280.0), (500.0, 200.0, 540.0, 280.0)
FOCAL_PX = 320.0  # of 640 pixels at 90 degrees


def tic(seconds: float, *boxes: tuple[float, float, float, float] | None, **facts: object) -> Tic:
    """A tic with monsters 0, 1 … in these boxes; the rest as it is unless told."""
    monsters = [Monster(number, 0.0, 100.0, box) for number, box in enumerate(boxes)]
    usual = {"kills": 0, "hits": 0, "ammo": 26, "is_ready": True, "health": 100.0, "angle_deg": 0.0}
    return Tic(episode=0, episode_s=seconds, picture=0, monsters=monsters, **{**usual, **facts})  # type: ignore[arg-type]


def score(*tics: Tic) -> Episode:
    scorer = Scorer((640, 480), 90.0)
    for one in tics:
        scorer.add(one)
    return scorer.episode


def shift(box: tuple[float, float, float, float], right_deg: float) -> tuple[float, float, float, float]:
    """Where a box is on the picture once the view has turned right."""

    def turn(x: float) -> float:
        angle = math.atan((x - 320.0) / FOCAL_PX) - math.radians(right_deg)
        return 320.0 + FOCAL_PX * math.tan(angle)

    return turn(box[0]), box[1], turn(box[2]), box[3]


def test_a_shot_is_ammunition_that_is_gone_and_a_new_clip_is_none() -> None:
    assert score(tic(0, ammo=26), tic(1, ammo=25), tic(2, ammo=35), tic(3, ammo=34)).shots == 2


def test_a_weapon_that_is_no_longer_ready_has_shot_once_and_a_dead_players_has_not() -> None:
    begun = tic(1.0, is_ready=False)
    assert score(tic(0.9), begun, tic(1.1, is_ready=False, ammo=25), tic(1.5)).shots == 1
    assert score(tic(0.9), tic(1.0, is_ready=False, health=0.0)).shots == 0


def test_a_shot_counts_as_off_unless_the_crosshair_is_on_a_monster_in_sight() -> None:
    assert score(tic(0, ASIDE), tic(1, ASIDE, is_ready=False)).shots_off == 1
    assert score(tic(0, None), tic(1, None, is_ready=False)).shots_off == 1
    assert score(tic(0, ASIDE), tic(1, ON, is_ready=False)).shots_off == 0


def test_time_to_target_runs_from_the_first_sight_to_the_crosshair_inside() -> None:
    episode = score(tic(0, None), tic(1, ASIDE), tic(1.5, ASIDE), tic(1.75, ON), tic(2, ON, is_ready=False))
    assert episode.time_to_target_s == [0.75]
    assert episode.on_to_shot_s == [0.25]


def test_a_monster_out_of_sight_starts_the_time_anew() -> None:
    assert score(tic(0, ASIDE), tic(1, None), tic(2, ASIDE), tic(2.5, ON)).time_to_target_s == [0.5]


def test_coming_back_to_the_same_monster_is_no_second_time_to_target_and_another_monster_is() -> None:
    back = score(tic(0, ASIDE), tic(1, ON), tic(2, ASIDE), tic(3, ON))
    assert back.time_to_target_s == [1.0]
    other = score(tic(0, ASIDE, ASIDE), tic(1, ON, ASIDE), tic(2, ASIDE, ASIDE), tic(4, ASIDE, ON))
    assert other.time_to_target_s == [1.0, 2.0]


@pytest.mark.parametrize("turn_deg", [6.0, -6.0])
def test_a_turn_off_a_living_monster_is_an_overshoot(turn_deg: float) -> None:
    gone = score(tic(0, ON), tic(1, shift(ON, turn_deg), angle_deg=(-turn_deg) % 360))
    assert (gone.overshoots, gone.walked_off) == (1, 0)


def test_a_monster_that_walks_off_is_none_even_where_the_view_turns_after_it() -> None:
    still = score(tic(0, ON), tic(1, (330.0, 200.0, 370.0, 280.0)))
    assert (still.overshoots, still.walked_off) == (0, 1)
    chased = score(tic(0, ON), tic(1, shift(ASIDE, 6.0), angle_deg=354.0))
    assert (chased.overshoots, chased.walked_off) == (0, 1)


def test_following_one_of_two_that_cross_is_no_overshoot_and_turning_to_the_other_is() -> None:
    turn_deg, other = 6.0, shift(ON, -6.0)
    after = shift(ON, turn_deg), shift(other, turn_deg)
    parted = score(tic(0, ON, ON), tic(1, after[0], ON, angle_deg=354.0))
    assert (parted.overshoots, parted.crossed) == (0, 1)
    third = score(tic(0, ON, ASIDE, ON), tic(1, after[0], ON, ON, angle_deg=354.0))
    assert (third.overshoots, third.crossed) == (0, 1)  # though another has come under it, too
    turned = score(tic(0, ON, other), tic(1, *after, angle_deg=354.0))
    assert (turned.overshoots, turned.crossed) == (1, 0)


def test_leaving_a_killed_or_hidden_monster_is_no_overshoot() -> None:
    assert score(tic(0, ON), tic(1, None, angle_deg=10.0)).overshoots == 0
    assert score(tic(0, ON), tic(1, kills=1, angle_deg=10.0)).overshoots == 0


def test_times_in_sight_and_on_target_add_up() -> None:
    episode = score(tic(0, None), tic(1, ASIDE), tic(2, ON), tic(4, ON), tic(5, None))
    assert (episode.visible_s, episode.on_target_s, episode.seconds) == (4, 3, 5)


def test_a_summary_adds_up_and_survives_no_shots() -> None:
    first = Episode(
        pictures=900,
        wall_s=30.0,
        seconds=30,
        kills=3,
        hits=4,
        shots=5,
        overshoots=1,
        time_to_target_s=[0.1, 0.3],
    )
    second = Episode(
        pictures=600, wall_s=30.0, seconds=30, kills=1, hits=1, shots=5, died=True, time_to_target_s=[0.2]
    )
    total = summarize([first, second])
    assert (total["kills"], total["shots"], total["hit_rate"], total["kills_a_minute"]) == (4, 10, 0.5, 4.0)
    assert (total["time_to_target_ms"], total["time_to_target_p90_ms"], total["deaths"]) == (200, 280, 1)
    assert total["game_fps"] == 25
    assert summarize([Episode()])["hit_rate"] == summarize([Episode()])["game_fps"] == 0.0
    assert find_p90([]) is None


def test_tics_pass_through_json_and_are_found_by_their_age_within_an_episode() -> None:
    log = TruthLog()
    for seconds in (0.0, 0.1, 0.2, 0.3):
        log.add(tic(seconds, ON, None))
    last = tic(0.3, ON, None)
    assert log.find_before(last, 0.2).episode_s == pytest.approx(0.1)
    assert log.find_before(tic(9.0), 0.2).episode_s == 9.0
    assert decode_tic(encode_tic(last)) == last
