"""Calibration finds what a simulated game was built with, and says why where it cannot."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from calibration_helpers import PANORAMA, FakeGame, open_probe
from conftest import OpenWindow
from hypothesis import given, settings
from hypothesis import strategies as st

from aimbot.calibration.measure import Calibration, Value, measure_game
from aimbot.calibration.plot import plot_calibration
from aimbot.calibration.profile import round_to_error, write_profile
from aimbot.commands.calibrate import calibrate, list_notes
from aimbot.config import load_settings
from aimbot.view import View, ViewSettings
from arena.panorama import Camera, Gaze, Picture
from arena.range import RangeSettings
from capture.errors import UserError

SMALL = RangeSettings(yaw_deg_per_count=0.1, pitch_deg_per_count=0.08, size_wh=(320, 240))
TRIALS = 6


def measure(game: FakeGame, pixel_aspect: float = 1.0) -> Calibration:
    return measure_game(open_probe(game), pixel_aspect, TRIALS)


@pytest.mark.parametrize(
    "built",
    [
        replace(SMALL, added_latency_ms=40.0),
        replace(SMALL, fov_deg=60.0, yaw_deg_per_count=0.03, pitch_deg_per_count=0.02),
        replace(SMALL, fov_deg=110.0, yaw_deg_per_count=0.3, pitch_deg_per_count=0.3),
    ],
)
def test_a_game_is_measured_as_it_was_built_and_turned_back(built: RangeSettings) -> None:
    game = FakeGame(built)
    found = measure(game)
    assert found.yaw_deg_per_count.value == pytest.approx(built.yaw_deg_per_count, rel=0.002)
    assert found.pitch_deg_per_count.value == pytest.approx(built.pitch_deg_per_count, rel=0.01)
    assert found.fov_deg.value == pytest.approx(built.fov_deg, rel=0.005)
    # The fake's next frame comes within 10 ms.
    assert 0 <= found.display_latency_ms.value - built.added_latency_ms <= 10
    assert found.pitch.motion == "turns"
    assert found.as_json()["linear"]
    assert game.sent.tolist() == [0, 0]


class SlidingGame(FakeGame):
    """Looks up and down by sliding a level view, whose pixels are 1.2 times as high as wide, as Doom does."""

    aspect = 1.2
    tall = Camera(PANORAMA, (320, 480), 90.0)

    def draw_world(self, gaze: Gaze) -> Picture:
        level = self.tall.render(Gaze(gaze.yaw_deg, 0.0))
        down = self.aspect * 160 * np.tan(np.radians(gaze.pitch_deg))
        place = np.array([[1, 0, 0], [0, self.aspect, 120 - 240 * self.aspect - down]])
        return np.asarray(cv2.warpAffine(level, place, (320, 240)), np.uint8)


def test_a_picture_that_slides_is_told_from_one_that_turns_and_its_pixels_are_what_the_profile_says() -> None:
    found = measure(SlidingGame(replace(SMALL, targets=0)), pixel_aspect=1.2)
    assert found.pitch.motion == "slides"
    assert found.pitch_deg_per_count.value == pytest.approx(SMALL.pitch_deg_per_count, rel=0.01)
    assert found.fov_deg.value == pytest.approx(90, rel=0.01)
    assert any("1.2 times as high" in note for note in list_notes(found, 1.2))


def test_a_game_without_a_vertical_look_has_no_pitch() -> None:
    found = measure(FakeGame(SMALL, answer=lambda dx, dy: (dx, 0)))
    assert (found.pitch.motion, found.pitch_deg_per_count.value) == ("none", 0.0)


def test_acceleration_is_noticed() -> None:
    found = measure(FakeGame(SMALL, answer=lambda dx, dy: (round(dx * (1 + abs(dx) / 1000)), dy)))
    assert found.linear_within > 0.02
    assert any("acceleration" in note for note in list_notes(found, 1.0))


class SpiralGame(FakeGame):
    """Another room after each turn, as where doors open and monsters walk: the picture never comes back."""

    def draw_world(self, gaze: Gaze) -> Picture:
        picture = super().draw_world(gaze)
        return picture if abs(gaze.yaw_deg) < 180 else np.ascontiguousarray(picture[::-1])


def test_where_no_full_turn_is_found_the_steps_have_to_do() -> None:
    found = measure(SpiralGame(SMALL))
    assert found.turn_counts is None
    assert found.yaw_deg_per_count.value == pytest.approx(0.1, rel=0.01)
    assert found.fov_deg.value == pytest.approx(90, rel=0.02)
    assert any("did not come back" in note for note in list_notes(found, 1.0))


class Edges:
    """A pointer that stops at the screen's edges: what a game gets that reads its position."""

    def __init__(self, size_px: int) -> None:
        self.size_px, self.x = size_px, size_px // 2

    def __call__(self, dx: int, dy: int) -> tuple[int, int]:
        old, self.x = self.x, min(max(self.x + dx, 0), self.size_px - 1)
        return self.x - old, dy


class Desktop(FakeGame):
    """No view at all: the pointer scrolls a flat picture between its edges."""

    def draw_world(self, gaze: Gaze) -> Picture:
        x, y = round(np.clip(600 + gaze.yaw_deg * 10, 0, 1200)), round(np.clip(300 + gaze.pitch_deg, 0, 600))
        return np.ascontiguousarray(PANORAMA[y : y + 240, x : x + 320])


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (lambda: FakeGame(SMALL, answer=lambda dx, dy: (0, 0)), "nothing moved at up to 600 counts"),
        (lambda: FakeGame(SMALL, answer=Edges(1280)), r"it stopped after \d+ degrees.*absolute position"),
        (lambda: Desktop(SMALL), r"it stopped after \d+ degrees.*absolute position"),
        (lambda: FakeGame(SMALL, answer=lambda dx, dy: (-dx, dy)), "turn right .* not inverted"),
        (lambda: FakeGame(SMALL, answer=lambda dx, dy: (dx, -dy)), "turn down .* not inverted"),
    ],
)
def test_a_game_that_cannot_be_measured_is_named_with_the_reason_and_turned_back(
    game: Callable[[], FakeGame], message: str
) -> None:
    played = game()
    with pytest.raises(UserError, match=message):
        measure(played)
    assert played.sent.tolist() == [0, 0]


def test_the_person_stops_it_and_from_then_on_nothing_is_sent() -> None:
    game = FakeGame(SMALL)
    probe = open_probe(game)
    probe.report = lambda _line: setattr(game, "armed", False)
    with pytest.raises(UserError, match="not_armed"):
        measure_game(probe, 1.0, TRIALS)
    after_stop = game.sent.copy()
    with pytest.raises(UserError, match="stopped"):
        probe.turn(5, 0)
    assert game.sent.tolist() == after_stop.tolist()


def test_a_person_who_pauses_it_and_goes_on_is_not_turned_back() -> None:
    game = FakeGame(SMALL)
    probe = open_probe(game)
    probe.turn(5, 0)
    game.armed = False
    with pytest.raises(UserError, match="not_armed"):
        probe.turn(5, 0)
    game.armed = True
    with pytest.raises(UserError, match="stopped"):
        probe.turn_back()
    assert game.sent.tolist() == [5, 0]


def test_once_an_anti_cheat_is_found_nothing_is_sent_not_even_the_way_back() -> None:
    found_from_ns = 15_000_000_000  # in the middle of a measurement of half a minute
    sent_at_ns: list[int] = []
    found: list[str] = []

    class WatchedGame(FakeGame):
        def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
            sent_at_ns.append(self.now_ns)
            return super().move(dx_counts, dy_counts)

    def guard() -> None:
        if game.now_ns >= found_from_ns and not found:
            found.append("vgc.exe")  # it is gone when it is looked for again
            raise UserError("found vgc.exe running")

    game = WatchedGame(SMALL)
    with pytest.raises(UserError, match=r"found vgc\.exe"):
        measure_game(open_probe(game, guard), 1.0, TRIALS)
    assert game.sent.any()  # it was not turned back
    assert 10_000_000_000 < sent_at_ns[-1] < found_from_ns + 1_000_000_000


def test_the_guard_is_asked_by_the_time_also_during_one_long_step() -> None:
    game = FakeGame(SMALL)
    asked_ns: list[int] = []
    probe = open_probe(game, lambda: asked_ns.append(game.now_ns))
    for _ in range(250):  # 10 ms each
        probe.turn(1, 0)
    assert len(asked_ns) == 3


def test_a_moment_without_the_focus_is_waited_for_and_a_long_one_ends_it() -> None:
    game = FakeGame(SMALL)
    probe = open_probe(game)
    game.focused_from_ns = game.now_ns + 500_000_000
    assert probe.turn(5, 0) >= game.focused_from_ns
    game.focused_from_ns = game.now_ns + 60_000_000_000
    with pytest.raises(UserError, match="no_focus"):
        probe.turn(5, 0)
    assert game.sent.tolist() == [5, 0]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return measure(FakeGame(SMALL))


def test_a_profile_keeps_its_comments_and_what_was_not_measured(
    tmp_path: Path, calibration: Calibration
) -> None:
    path = tmp_path / "game.toml"
    path.write_text("# mine\n[aim.view]\nfov_deg = 70.0  # a guess\n\n[aim.trigger]\nenabled = true # yes\n")
    write_profile(path, calibration, "Game", 1.0)
    text = path.read_text()
    assert "# mine\n" in text
    assert "enabled = true # yes" in text
    assert "a guess" not in text
    view = load_settings(str(path)).aim.view
    assert view.fov_deg == pytest.approx(90, rel=0.005)
    assert view.yaw_deg_per_count == pytest.approx(0.1, rel=0.002)
    assert view.game_width_px == 320
    assert calibration.size_wh == (320, 240)
    assert load_settings(str(path)).aim.trigger.enabled


def test_a_new_profile_names_the_window_and_is_valid(tmp_path: Path, calibration: Calibration) -> None:
    path = tmp_path / "game.toml"
    write_profile(path, calibration, 'The "Game"', 1.2)
    written = load_settings(str(path))
    assert written.capture.window == 'The "Game"'
    assert written.aim.view.pixel_aspect == 1.2
    assert "±" in path.read_text(encoding="utf-8")


def test_a_broken_profile_is_named_and_left(tmp_path: Path, calibration: Calibration) -> None:
    path = tmp_path / "game.toml"
    path.write_text("[aim\n")
    with pytest.raises(UserError, match=r"game\.toml"):
        write_profile(path, calibration, "Game", 1.0)
    assert path.read_text() == "[aim\n"
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(path.read_text())


@settings(deadline=None)
@given(st.floats(-40, 40), st.floats(0.5, 2))
def test_the_aim_knows_the_height_of_the_games_pixels(pitch_deg: float, aspect: float) -> None:
    view = View(ViewSettings(fov_deg=90, pixel_aspect=aspect, pitch_deg_per_count=0.1), (640, 480))
    below = 320 * aspect * np.tan(np.radians(pitch_deg))
    assert view.offset_counts((320, 240 + below)) == pytest.approx((0, pitch_deg / 0.1), abs=1e-6)


@pytest.mark.parametrize(
    ("window", "message"), [("Painted game", "nothing moved"), ("no such game", "no such game")]
)
def test_a_window_that_does_not_answer_is_the_users_error(
    open_window: OpenWindow, tmp_path: Path, window: str, message: str
) -> None:
    open_window()
    path = tmp_path / "out.toml"
    with pytest.raises(UserError, match=message):
        calibrate(window, "default", [], path, None)
    assert not path.exists()


@settings(deadline=None)
@given(st.floats(1e-6, 1e3), st.floats(1e-9, 1.0))
def test_rounding_loses_less_than_the_error(value: float, error: float) -> None:
    assert abs(round_to_error(Value(value, error)) - value) <= error / 10 + 1e-12


def test_the_plot_is_a_picture(tmp_path: Path, calibration: Calibration) -> None:
    path = tmp_path / "plot.png"
    plot_calibration(calibration, path)
    assert cv2.imread(str(path)).shape[2] == 3
