"""The range shows what its settings say, and `calibrate` finds them in its window."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aimbot.commands.calibrate import calibrate
from aimbot.config import load_settings
from arena.panorama import Camera, Gaze
from arena.range import DelayedGaze, RangeSettings

DOT_PX = (1024 + 100, 512 + 40)


def find_dot(gaze: Gaze, size_wh: tuple[int, int] = (640, 480)) -> tuple[float, float]:
    """Where a white square of a black panorama is seen, from the picture's centre."""
    panorama = np.zeros((1024, 2048, 3), np.uint8)
    panorama[DOT_PX[1] - 4 : DOT_PX[1] + 4, DOT_PX[0] - 4 : DOT_PX[0] + 4] = 255
    picture = Camera(panorama, size_wh, 80.0).render(gaze)[..., 0].astype(float)
    rows, columns = np.indices(picture.shape) + 0.5
    return (
        float((columns * picture).sum() / picture.sum() - size_wh[0] / 2),
        float((rows * picture).sum() / picture.sum() - size_wh[1] / 2),
    )


@pytest.mark.parametrize(("yaw", "pitch"), [(180.0, 0.0), (190.0, 5.0), (215.0, 15.0)])
def test_a_direction_is_seen_where_a_pinhole_camera_sees_it(yaw: float, pitch: float) -> None:
    azimuth = math.radians(DOT_PX[0] / 2048 * 360 - yaw)
    elevation = math.radians((DOT_PX[1] / 1024 - 0.5) * 180)
    ahead, right, down = (
        math.cos(elevation) * math.cos(azimuth),
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    )
    turn = math.radians(pitch)
    depth = math.cos(turn) * ahead + math.sin(turn) * down
    below = math.cos(turn) * down - math.sin(turn) * ahead
    focal = 320 / math.tan(math.radians(40))
    assert find_dot(Gaze(yaw, pitch)) == pytest.approx(
        (focal * right / depth, focal * below / depth), abs=0.2
    )


def test_the_gaze_follows_the_mouse_after_the_added_latency_and_stops_short_of_straight_up() -> None:
    gaze = DelayedGaze(RangeSettings(yaw_deg_per_count=0.1, pitch_deg_per_count=0.1, added_latency_ms=30))
    gaze.move(100, -5000, 1_000_000_000)
    assert gaze.look(1_029_000_000) == Gaze(0, 0)
    assert gaze.look(1_030_000_000) == Gaze(pytest.approx(10), -85)


@pytest.fixture
def shown_range(xvfb_display: str) -> Iterator[str]:
    """The title of a running range of a wide view, a high sensitivity, and a latency of its own."""
    options = ["--fov-deg=100", "--yaw-deg-per-count=0.12", "--pitch-deg-per-count=0.1"]
    command = [sys.executable, "-m", "arena.range", "--added-latency-ms=40", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("{"))
        try:
            yield json.loads(line)["window"]
        finally:
            process.terminate()


def test_a_running_game_is_calibrated_through_its_window_and_its_mouse(
    shown_range: str, tmp_path: Path
) -> None:
    """The latency's bounds are wide: this is about what is measured, not about how fast the machine is."""
    path = tmp_path / "range.toml"
    found = calibrate(shown_range, "default", [], path, None, trials=15)
    assert found["yaw_deg_per_count"]["value"] == pytest.approx(0.12, rel=0.01)
    assert found["pitch_deg_per_count"]["value"] == pytest.approx(0.1, rel=0.01)
    assert found["fov_deg"]["value"] == pytest.approx(100, rel=0.02)
    assert 40 <= found["display_latency_ms"]["value"] < 200
    assert (found["pitch_motion"], found["linear"]) == ("turns", True)
    assert load_settings(str(path)).aim.view.fov_deg == pytest.approx(100, rel=0.02)
