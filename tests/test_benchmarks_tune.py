"""Settings for a wish: the search in the simulated game, and the command around it."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_aimbot_cli import RECORDING, assert_mistake, call

from aimbot.commands.tune import read_document, read_facts, write_document
from aimbot.config import load_settings
from aimbot.session_facts import SessionFacts
from benchmarks.aim.plant import PlantSettings
from benchmarks.aim.trial import apply_point, play_task, read_point
from benchmarks.aim.tune import GRID, make_plant, tune
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.recorder import SessionRecorder

AIM = load_settings("default").aim
START = read_point(AIM, GRID)
PLANT = PlantSettings(frame_hz=35)
SMALL_GRID = {"controller.smoothing_s": (0.0, 0.05, 0.12), "controller.dead_zone_share": (0.25,)}
FACTS = SessionFacts(
    pictures=400,
    targets=12,
    frame_hz=35.0,
    jitter_ms=6.0,
    detector_ms=25.0,
    missed_share=0.04,
    false_share=0.01,
    noise_factor=1.5,
    speed_deg_per_s=13.0,
)


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    return {wish: tune(AIM, PLANT, wish, seeds=2, grid=SMALL_GRID) for wish in ("fast", "calm")}


def test_calm_has_a_shorter_path_and_a_lower_peak_than_fast(results: dict[str, dict[str, Any]]) -> None:
    fast, calm = results["fast"]["searched"]["after"], results["calm"]["searched"]["after"]
    assert calm["path_ratio"] < fast["path_ratio"]
    assert calm["peak_deg_per_s"] < 0.7 * fast["peak_deg_per_s"]
    assert calm["on_target_share"] >= 0.9 * fast["on_target_share"]


def test_fast_is_faster_than_the_profile_also_where_nothing_was_searched(
    results: dict[str, dict[str, Any]],
) -> None:
    fast = results["fast"]
    assert fast["after"]["on_target_share"] > fast["before"]["on_target_share"]
    assert fast["after"]["time_s"] < fast["before"]["time_s"]


def test_without_its_only_change_all_is_as_before(results: dict[str, dict[str, Any]]) -> None:
    (change,) = results["fast"]["changes"]
    assert change["name"] == "aim.controller.smoothing_s"
    assert (change["from"], change["to"]) == (AIM.controller.smoothing_s, 0.0)
    assert change["without"] == results["fast"]["before"]


def test_an_episode_is_played_alike_every_time() -> None:
    task = (AIM, PLANT, "strafing", 7)
    assert play_task(task) == play_task(task)


def test_a_point_is_read_from_the_settings_and_put_into_them() -> None:
    assert apply_point(AIM, START, GRID) == AIM
    point = tuple(value + 0.01 for value in START)
    changed = apply_point(AIM, point, GRID)
    assert read_point(changed, GRID) == point
    assert changed.view == AIM.view


def test_the_plant_is_the_profiles_game() -> None:
    doom = load_settings("doom").aim
    plant = make_plant(doom)
    assert plant.latency_ms == pytest.approx(doom.view.display_latency_ms)
    assert plant.wait_ms == pytest.approx(doom.view.display_jitter_ms)
    assert plant.deg_per_count == (doom.view.yaw_deg_per_count, doom.view.pitch_deg_per_count)
    assert make_plant(doom, frame_hz=120).frame_hz == 120


def test_the_plant_takes_over_what_a_session_shows() -> None:
    plant = asdict(make_plant(AIM, FACTS))
    for name in ("frame_hz", "jitter_ms", "detector_ms", "missed_share", "false_share"):
        assert plant[name] == getattr(FACTS, name)
    assert plant["target_deg_per_s"] == FACTS.speed_deg_per_s
    assert plant["noise_px"] == pytest.approx(1.5 * AIM.tracker.noise_px)
    assert make_plant(AIM, FACTS, frame_hz=60).frame_hz == 60


def test_the_shipped_recording_shows_a_game_of_35_pictures_a_second() -> None:
    facts = read_facts(RECORDING, load_settings("doom"))
    assert facts.frame_hz == pytest.approx(35, rel=0.05)
    assert facts.targets >= 5


def test_a_session_of_another_game_is_refused() -> None:
    with pytest.raises(UserError, match=r"--set aim\.view\.yaw_deg_per_count=0\.131836"):
        read_facts(RECORDING, load_settings("default"))


def test_the_width_of_a_session_that_was_cropped_is_the_recorded_one(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    shutil.copytree(RECORDING, folder)
    header = json.loads((folder / "header.json").read_text())
    header["settings"]["aim"]["view"]["game_width_px"] = 1920
    (folder / "header.json").write_text(json.dumps(header))
    wide = load_settings("doom", ["aim.view.game_width_px=1920"])
    assert read_facts(folder, load_settings("doom")) == read_facts(RECORDING, wide)


def test_a_session_of_pictures_alone_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    with SessionRecorder(folder, {}, fps_hint=60.0) as recorder:
        recorder.write(Frame(np.zeros((48, 64, 3), np.uint8), 1, 0, Region(0, 0, 64, 48)), {})
    assert_mistake(call("tune", "--session", str(folder)), "run --record")


def test_an_unknown_wish_is_one_line_with_those_there_are() -> None:
    assert_mistake(call("tune", "--wish", "magic"), "fast or calm", "magic")


def test_a_file_that_is_no_profile_is_refused_before_the_search(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[aim", encoding="utf-8")
    assert_mistake(call("tune", "--out", str(path)), "mine.toml")
    assert_mistake(call("tune", "--out", str(tmp_path / "none" / "mine.toml")), "none")


def test_what_is_written_keeps_the_comments_and_all_other_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = "# Mine.\n[aim.view]\nfov_deg = 80.0  # measured\n\n[aim.controller]\nsmoothing_s = 0.08  # old\n"
    path.write_text(text, encoding="utf-8")
    values = {"aim.controller.smoothing_s": 0.03, "aim.tracker.coast_s": 0.25}
    write_document(path, read_document(path, "default"), values)
    written = path.read_text(encoding="utf-8")
    assert "# Mine." in written
    assert "# measured" in written
    aim = load_settings(str(path)).aim
    assert (aim.controller.smoothing_s, aim.tracker.coast_s, aim.view.fov_deg) == (0.03, 0.25, 80.0)


def test_the_command_shows_and_writes_a_copy_of_its_profile(tmp_path: Path) -> None:
    path = tmp_path / "fast.toml"
    done = call("tune", "--frame-hz", "15", "--seeds", "2", "--out", str(path), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["written"] == str(path)
    assert result["points"] > len(GRID)
    changes = {change["name"]: change["to"] for change in result["changes"]}
    assert changes["aim.controller.smoothing_s"] < AIM.controller.smoothing_s
    written = load_settings(str(path))
    assert written.aim == apply_point(
        AIM, tuple(changes.get(f"aim.{name}", value) for name, value in zip(GRID, START, strict=True)), GRID
    )
    assert "gentle" in path.read_text(encoding="utf-8")  # the comment of the profile that it is a copy of
