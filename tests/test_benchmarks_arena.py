"""The players that the assistant is held against, on scripted truth."""

from dataclasses import replace

import numpy as np
import pytest
from aim_helpers import MS, doom_view, make_detections, make_frame

from aimbot.aimer import AimSettings
from aimbot.controller import ControllerSettings
from aimbot.trigger import TriggerSettings
from arena.truth import Monster, Tic, TruthLog, fingerprint
from benchmarks.arena.players import OracleAimer, SimpleAimer
from benchmarks.arena.run import choose_players, choose_scenarios
from benchmarks.arena.watching import Sightings
from capture.errors import UserError
from capture.frame import Frame

VIEW = doom_view().model_copy(update={"pitch_deg_per_count": 0.0})
SETTINGS = AimSettings(
    view=VIEW,
    controller=ControllerSettings(search_deg_per_s=60.0),
    trigger=TriggerSettings(enabled=True),
)
RIGHT_45 = (600.0, 200.0, 680.0, 280.0)  # its middle is at the picture's right edge, 45 degrees off
COUNTS_45 = 45 / VIEW.yaw_deg_per_count


def show(number: int, at_ms: int) -> Frame:
    """A picture unlike the others."""
    frame = make_frame(number, at_ms * MS)
    frame.pixels[:] = number
    return frame


def know(frame: Frame, seconds: float, *monsters: Monster, angle_deg: float = 0.0) -> Tic:
    return Tic(0, seconds, 0, 0, 26, True, 100.0, angle_deg, fingerprint(frame.pixels), monsters)


def test_a_picture_is_the_same_with_and_without_alpha_and_another_is_not() -> None:
    pixels = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(480, 640, 3)
    with_alpha = np.dstack([pixels, np.zeros((480, 640), np.uint8)])
    assert fingerprint(pixels) == fingerprint(with_alpha) != fingerprint(255 - pixels)


def test_the_oracle_jumps_the_whole_error_once_and_not_again_while_it_is_in_flight() -> None:
    truth = TruthLog()
    oracle = OracleAimer(SETTINGS, ["monster"], truth)
    monster = Monster(7, 45.0, 100.0, RIGHT_45)
    first, second, third = show(1, 1000), show(2, 1010), show(3, 1060)
    truth.add(know(first, 1.0, monster))
    target = oracle.select(first, make_detections([]))
    step = oracle.steer(first, target, 1005 * MS)
    assert step.dx_counts == pytest.approx(COUNTS_45, abs=4)
    oracle.applied(1005 * MS, step.dx_counts, 0)
    truth.add(know(second, 1.01, monster))  # the game has not taken the counts in yet
    again = oracle.steer(second, oracle.select(second, make_detections([])), 1015 * MS)
    assert abs(again.dx_counts) <= 1
    turned = step.dx_counts * VIEW.yaw_deg_per_count
    truth.add(know(third, 1.06, replace(monster, box=(310.0, 200.0, 330.0, 280.0)), angle_deg=-turned % 360))
    settled = oracle.select(third, make_detections([]))
    assert settled is not None
    assert settled.bearing_counts[0] == pytest.approx(step.dx_counts, abs=1)


def test_only_who_sees_all_turns_to_a_monster_out_of_sight_and_it_does_not_fire_there() -> None:
    truth = TruthLog()
    frame = show(1, 1000)
    truth.add(know(frame, 1.0, Monster(7, -120.0, 100.0, None)))
    assert OracleAimer(SETTINGS, ["monster"], truth).select(frame, make_detections([])) is None
    seer = OracleAimer(SETTINGS, ["monster"], truth, sees_all=True)
    command = seer.steer(frame, seer.select(frame, make_detections([])), 1005 * MS)
    assert command.dx_counts == pytest.approx(-120 / VIEW.yaw_deg_per_count, abs=1)
    assert not command.fire


def test_the_simple_loop_goes_80_percent_of_the_way_and_searches_when_it_sees_nothing() -> None:
    simple = SimpleAimer(SETTINGS, ["monster"])
    frame = show(1, 1000)
    command = simple.steer(frame, simple.select(frame, make_detections([RIGHT_45])), 1005 * MS)
    assert command.dx_counts == pytest.approx(0.8 * COUNTS_45, abs=4)
    later = show(2, 1400)
    assert simple.steer(later, simple.select(later, make_detections([])), 1405 * MS).dx_counts > 0


def test_sightings_count_what_was_found_missed_and_made_up() -> None:
    frame = show(1, 1000)
    near, far, speck = RIGHT_45, (100.0, 200.0, 140.0, 280.0), (10.0, 10.0, 16.0, 20.0)
    monsters = [Monster(number, 0.0, 100.0, box) for number, box in enumerate((near, far, speck, None))]
    sightings = Sightings()
    found = make_detections([[602, 200, 682, 280], [300, 300, 320, 340]])
    sightings.add(found, know(frame, 1.0, *monsters), 0.35)
    sightings.add(found, None, 0.35)
    summary = sightings.summary()
    assert (summary["recall"], summary["false_a_picture"], summary["middle_error_px"]) == (0.5, 1.0, 2.0)
    assert summary["unpaired"] == 0.5


def test_an_unknown_player_or_scenario_is_named_with_those_there_are() -> None:
    assert choose_players(["simple", "ours"]) == ["ours", "simple"]
    with pytest.raises(UserError, match="ours, oracle, omniscient, simple, got 'best'"):
        choose_players(["best"])
    with pytest.raises(UserError, match="deadly_corridor, got 'e1m1'"):
        choose_scenarios(["e1m1"])
