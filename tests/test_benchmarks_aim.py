"""The simulated game, its laws, and ours beside the oracle."""

import numpy as np
import pytest

from benchmarks.aim.episode import measure_overshoot, play, pool
from benchmarks.aim.laws import Oracle, Ours, Pid, average, proportional
from benchmarks.aim.plant import SIZE_WH, Plant, PlantSettings, project_deg
from benchmarks.aim.run import QUICK, describe, make_law, run
from benchmarks.aim.targets import TARGETS, Walker, make_scene, stand, strafe

IDEAL = {"jitter_ms": 0.0, "drop_share": 0.0, "missed_share": 0.0, "false_share": 0.0}


def test_counts_turn_the_view_after_half_of_the_dead_time_and_show_after_all_of_it() -> None:
    plant = Plant(
        PlantSettings(frame_hz=100, dead_time_ms=40, **IDEAL),
        [Walker(stand((1.0, 0.0)))],
        np.random.default_rng(0),
    )
    plant.send(0.0, 10, 0)
    views = [plant.advance() for _ in range(4)]
    assert [round(picture.view_deg[0], 6) for picture in views] == [0, 0, 0.22, 0.22]
    assert views[2].captured_ns == pytest.approx(0.04e9)


def test_moves_are_lost_as_often_as_said_and_the_hand_turns_the_view_to_and_fro() -> None:
    rng = np.random.default_rng(0)
    plant = Plant(PlantSettings(drop_share=0.5, hand_deg_per_s=0.0), [], rng)
    for _ in range(1000):
        plant.send(0.0, 1, 0)
    plant.tick = 60
    assert plant.advance().view_deg[0] / 0.022 == pytest.approx(500, abs=60)
    turned = Plant(PlantSettings(hand_deg_per_s=10.0), [], rng)
    views = [turned.advance().view_deg[0] for _ in range(121)]
    assert max(views) == pytest.approx(10 / np.pi, abs=0.05) == pytest.approx(-min(views), abs=0.1)


def test_a_target_is_drawn_where_it_is() -> None:
    assert project_deg(np.array([0.0, 0.0])).tolist() == [SIZE_WH[0] / 2, SIZE_WH[1] / 2]
    assert project_deg(np.array([45.0, 0.0]))[0] == pytest.approx(SIZE_WH[0])
    plant = Plant(PlantSettings(**IDEAL), [Walker(stand((10.0, -5.0)))], np.random.default_rng(1))
    boxes = np.concatenate([plant.advance().detections.xyxy_px for _ in range(200)])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert centres.mean(axis=0) == pytest.approx(project_deg(np.array([10.0, -5.0])), abs=0.5)
    assert centres.std(axis=0)[0] == pytest.approx(0.6 + 0.04 * (boxes[:, 2] - boxes[:, 0]).mean(), rel=0.15)


def test_strafing_turns_at_once_after_each_leg() -> None:
    motion = strafe((0.0, 0.0), 10.0, [1.0, 0.5, 1.0])
    assert [round(motion(t)[0], 6) for t in (0.0, 0.5, 1.0, 1.25, 1.5, 2.0)] == [0, 5, 10, 7.5, 5, 10]


def test_overshoot_is_the_way_beyond_the_target() -> None:
    errors = np.array([[1.0, 0.0], [-0.5, 0.0], [-2.0, 3.0], [0.0, 0.0]])
    assert measure_overshoot(np.array([10.0, 0.0]), errors) == pytest.approx(0.2)
    assert measure_overshoot(np.array([-10.0, 0.0]), errors) == pytest.approx(0.1)


@pytest.mark.parametrize("target", TARGETS)
def test_every_scene_has_targets_all_along(target: str) -> None:
    walkers = make_scene(target, np.random.default_rng(0), 3.0)
    shares = [any(w.from_s <= t < w.until_s for w in walkers) for t in np.arange(0, 3, 0.05)]
    assert np.mean(shares) >= 0.75


@pytest.mark.parametrize("dead_time_ms", [5.0, 60.0])
def test_the_oracle_meets_a_still_target_with_its_first_move_and_stays(dead_time_ms: float) -> None:
    figures = play(Oracle, PlantSettings(dead_time_ms=dead_time_ms, **IDEAL), "still", 1)
    assert figures.overshoots == [0.0]
    assert figures.time_to_target_s[0] < dead_time_ms / 1e3 + 0.05
    assert figures.swing_deg == 0.0


def test_ours_comes_close_to_the_oracle_and_rests() -> None:
    law = make_law("ours", QUICK, (0, 0, 0))
    for dead_time_ms in (20.0, 60.0):
        plant = PlantSettings(dead_time_ms=dead_time_ms)
        for target in TARGETS:
            ours, oracle = (
                pool([play(maker, plant, target, seed) for seed in range(3)]) for maker in (law, Oracle)
            )
            assert ours.on_target_share >= 0.9 * oracle.on_target_share, (target, dead_time_ms)
            assert np.median(ours.time_to_target_s) <= 1.25 * np.median(oracle.time_to_target_s)
            if target == "still":
                assert np.median(ours.overshoots) <= 0.02
                assert ours.swing_deg <= 0.5  # an eighth of the box's width


def test_laws_that_know_nothing_of_the_latency_swing_where_it_is_long() -> None:
    plant = PlantSettings(dead_time_ms=60.0)
    for law in (proportional, average):
        assert play(law, plant, "still", 0).swing_deg > 5
    assert isinstance(make_law("pid", QUICK, (0.1, 0, 0))(plant), Pid)
    assert isinstance(make_law("ours", QUICK, (0, 0, 0))(plant), Ours)


def test_the_same_seed_gives_the_same_episode() -> None:
    law = make_law("ours", QUICK, (0, 0, 0))
    assert play(law, PlantSettings(), "crossing", 5) == play(law, PlantSettings(), "crossing", 5)


def test_rows_have_the_contracts_keys() -> None:
    result = run(seeds=1, dead_times_ms=(20.0,), frame_hz=(35.0,))
    assert {row["law"] for row in result["rows"]} == {"ours", "oracle", "proportional", "ema", "pid"}
    keys = {
        "law",
        "target",
        "dead_time_ms",
        "on_target_share",
        "time_to_target_ms",
        "overshoot",
        "rms_error_deg",
    }
    assert all(keys <= set(row) for row in result["rows"])
    oracle = next(row for row in result["summary"] if row["law"] == "oracle")
    assert (oracle["of_oracle"], oracle["time_to_oracle"]) == (1.0, 1.0)


def test_a_target_that_is_never_met_has_no_time() -> None:
    figures = play(lambda plant: Pid(plant, kp=0.0), PlantSettings(), "still", 0)
    row = describe(figures)
    assert (row["time_to_target_ms"], row["never_met"], row["rms_error_deg"]) == (None, 1, None)
