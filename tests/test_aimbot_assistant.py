"""One run from frames to pointer: recording, reload, panic, and a protected game that starts meanwhile."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aim_helpers import LoggingPointer, ScriptedDetector, make_detections, make_frame
from wait_helpers import wait_until

from aimbot.assistant import RunPlan, fill_game_width, run_assistant
from aimbot.commands.common import Where, crop_to, gather_settings
from aimbot.config import Settings, SettingsFile, load_settings
from aimbot.hotkeys import HotkeySettings, Person
from aimbot.view import View, ViewSettings
from arena.display import start_xvfb
from capture.clock import monotonic_ns, sleep_s
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.replay import ReplaySource
from capture.session import read_session
from detection.detections import Detections

ROOT = Path(__file__).parent.parent


def frames(count: int) -> Iterator[Frame]:
    """A picture every 10 ms, stamped as it comes."""
    for index in range(count):
        sleep_s(0.01)
        yield make_frame(index, monotonic_ns())


def make_plan(count: int, settings: Settings | None = None, arm: str = "always") -> RunPlan:
    detector = ScriptedDetector()
    detector.answer = make_detections([[420, 200, 460, 280]])
    settings = settings or load_settings("default", ["loop.budget_ms=10000"])
    person = Person(HotkeySettings.model_validate({"arm": arm}))
    source = ReplaySource(frames(count), monotonic_ns, paced=False)
    return RunPlan(settings, source, detector, LoggingPointer(), person)


def moves(plan: RunPlan) -> list[tuple[object, ...]]:
    assert isinstance(plan.pointer, LoggingPointer)
    return [event for event in plan.pointer.events if event[0] == "move"]


def test_a_run_moves_records_and_sums_up(tmp_path: Path) -> None:
    plan = make_plan(40)
    plan.record = tmp_path / "session"
    summary = run_assistant(plan)
    assert moves(plan)
    assert summary["frames"] == len(read_session(plan.record).rows) == summary["recorder"]["written"]
    assert summary["frames"] + summary["capture"]["overwritten"] == 40
    assert {"loop_fps", "age_at_move_ms", "stages_ms", "late", "refusals"} <= set(summary)
    assert plan.pointer.events[-1] == ("close",)  # type: ignore[attr-defined]


def test_frames_of_another_size_that_are_not_recorded_are_told(tmp_path: Path) -> None:
    def resized() -> Iterator[Frame]:
        for frame in frames(20):
            cut = 480 if frame.frame_id < 10 else 400
            yield Frame(frame.pixels[:cut], frame.captured_ns, frame.frame_id, Region(0, 0, 640, cut))

    plan = make_plan(0)
    plan.source, plan.record = ReplaySource(resized(), monotonic_ns, paced=False), tmp_path / "session"
    lines: list[str] = []
    plan.report = lines.append
    recorded = run_assistant(plan)["recorder"]
    assert recorded["dropped"] == recorded["other_size"] > 0
    assert f"not recorded: {recorded['other_size']} frames of another size than the first" in lines


def test_without_the_persons_hold_nothing_moves_and_it_is_counted() -> None:
    plan = make_plan(20, arm="hold")
    summary = run_assistant(plan)
    assert moves(plan) == []
    assert summary["refusals"] == {"not_armed": summary["frames"]}


def test_a_focus_that_was_checked_long_ago_counts_as_none() -> None:
    class OldFocus:
        def state(self) -> tuple[bool, int]:
            return True, monotonic_ns() - 1_000_000_000

    plan = make_plan(20)
    plan.focus = OldFocus()
    assert run_assistant(plan)["refusals"].keys() == {"no_focus"}
    assert moves(plan) == []


def test_the_panic_key_stops_all_output_in_the_middle_of_a_run() -> None:
    plan = make_plan(60)
    seen: list[int] = []

    def finished() -> bool:
        seen.append(len(moves(plan)))
        if len(seen) == 20:
            plan.person.press("f8")
        return False

    plan.finished = finished
    summary = run_assistant(plan)
    assert seen[19] > 0
    assert len(moves(plan)) == seen[19]
    assert summary["refusals"]["stopped"] > 0


def test_an_edited_profile_is_taken_over_and_an_invalid_one_reported(tmp_path: Path) -> None:
    path = tmp_path / "game.toml"
    path.write_text("[loop]\nbudget_ms = 10000\n")
    plan = make_plan(320, gather_settings(str(path), [], Where(region="0,0,640,480")))
    plan.settings = crop_to(plan.settings, (320, 320))
    plan.watch = SettingsFile(str(path))
    lines: list[str] = []
    edits = iter(
        [
            "[loop]\nbudget_ms = 20000\n[safety]\nallow_fire = false\n",
            "[loop]\nbugdet = 1\n",
            "[capture]\nmax_hz = 30\n",
            '[aim.selector]\npriority = ["imp"]\n',
        ]
    )

    def report(line: str) -> None:
        lines.append(line)
        if "FPS" in line and (text := next(edits, None)) is not None:
            path.write_text(text)

    plan.report = report
    run_assistant(plan)
    assert "settings reloaded" in lines
    assert "settings reloaded; capture: after a restart" in lines
    for mistake in ("unknown setting loop.bugdet", "expected classes of the model in aim.selector.priority"):
        assert any(line.startswith(f"settings not reloaded, the old ones stay: {mistake}") for line in lines)


@pytest.mark.parametrize(
    "override",
    ['classes=["monster","imp"]', 'priority=["imp"]', "aim_points.imp=[0.5,0.1]"],
)
def test_a_class_that_the_model_lacks_is_named_with_those_it_has(override: str) -> None:
    plan = make_plan(5, load_settings("default", [f"aim.selector.{override}"]))
    setting = re.split(r"\W", override)[0]
    with pytest.raises(UserError, match=rf"aim\.selector\.{setting}, got 'imp'; it has: monster, friend$"):
        run_assistant(plan)
    assert plan.pointer.events == []  # type: ignore[attr-defined]


class CroppedSource(ReplaySource):
    """Frames 640 wide from the middle of a window of 1920."""

    whole = Region(0, 0, 1920, 1080)


def test_a_crop_is_aimed_in_by_the_width_of_the_whole_window_also_after_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "game.toml"
    path.write_text("[loop]\nbudget_ms = 10000\n")
    plan = make_plan(200, load_settings(str(path)), arm="hold")
    plan.source = CroppedSource(frames(200), monotonic_ns, paced=False)
    plan.watch, plan.record = SettingsFile(str(path)), tmp_path / "session"
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if len(lines) == 1:
            path.write_text("[loop]\nbudget_ms = 20000\n")

    plan.report = report
    run_assistant(plan)
    assert any(line.startswith("settings reloaded") for line in lines)
    session = read_session(plan.record)
    assert session.header["settings"]["aim"]["view"]["game_width_px"] == 1920
    view = ViewSettings(fov_deg=90, game_width_px=1920)
    expected = View(view, (640, 480)).offset_counts((440, 232))
    bearings = [row["target"]["bearing_counts"] for row in session.rows if row["target"]]
    assert len(bearings) > 100  # nothing moves, so that they stay
    assert all(bearing == pytest.approx(expected, rel=1e-3) for bearing in bearings)


def test_a_whole_picture_and_a_width_that_is_set_are_left_as_they_are() -> None:
    plan = make_plan(0, load_settings("default", ['capture.crop_px="whole"']))
    plan.source = CroppedSource(frames(0), monotonic_ns, paced=False)
    assert fill_game_width(plan.settings, plan) is plan.settings
    plan.settings = load_settings("default", ["aim.view.game_width_px=800"])
    assert fill_game_width(plan.settings, plan) is plan.settings


def test_a_watch_that_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_line: str) -> None:
        raise ValueError("no terminal")

    monkeypatch.setattr("aimbot.assistant.HOUSEKEEPING_EVERY", 1)
    plan = make_plan(100_000)
    plan.report = fail
    with pytest.raises(UserError, match=r"expected to watch .*no terminal"):
        run_assistant(plan)


def test_a_protected_game_refuses_the_start_and_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = ["game"]
    monkeypatch.setattr("aimbot.protected.list_processes", lambda: processes)
    plan = make_plan(2_000)
    plan.finished = lambda: processes.append("vgc.exe") or False if moves(plan) else False  # type: ignore[func-returns-value]
    with pytest.raises(UserError, match=r"found vgc\.exe running"):
        run_assistant(plan)
    with pytest.raises(UserError, match=r"found vgc\.exe running"):
        run_assistant(make_plan(5))


def test_a_display_that_goes_away_ends_a_run_in_one_line() -> None:
    command = [sys.executable, str(ROOT / "run_aimbot.py"), "run", "--monitor", "1", "--dry-run"]
    with start_xvfb((640, 480)) as name:
        environment = {**os.environ, "DISPLAY": name, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
        run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert run.stderr
        assert "dry run" in run.stderr.readline()
        sleep_s(1.0)
    errors = run.communicate(timeout=20)[1]
    assert run.returncode == 2, errors
    assert "Traceback" not in errors
    assert errors.count("error: expected ") == 1, errors


class SlowDetector(ScriptedDetector):
    """Answers to its second frame only once the fire button is up, or five seconds have passed."""

    def __init__(self, plan: RunPlan, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        assert isinstance(plan.pointer, LoggingPointer)
        self._events, self._meanwhile = plan.pointer.events, meanwhile
        self.answer = plan.detector.detect(make_frame(0, 0))
        self.held: list[bool] = []

    def detect(self, frame: Frame) -> Detections:
        if self.calls == 1:
            self.held.append(self._events[-1] == ("press",))
            self._meanwhile()
            self.held.append(not wait_until(lambda: self._events[-1] == ("release",)))
        return super().detect(frame)


@pytest.mark.parametrize(
    ("press_s", "arm"),
    [(60, "hold"), (0.06, "always")],
    ids=["the person let go of the aim key", "the press has lasted long enough"],
)
def test_a_slow_detector_does_not_hold_the_button_down(press_s: float, arm: str) -> None:
    overrides = [
        "loop.budget_ms=10000",
        "aim.trigger.enabled=true",
        f"aim.trigger.press_s={press_s}",
        "aim.trigger.interval_s=60",
        "aim.controller.dead_zone_deg=60",
    ]
    plan = make_plan(40, load_settings("default", overrides), arm)
    plan.detector.answer = make_detections([[300, 200, 340, 280]])  # type: ignore[attr-defined]
    plan.person.press("mouse_right")
    slow = SlowDetector(plan, lambda: plan.person.release("mouse_right"))
    plan.detector = slow
    run_assistant(plan)
    assert slow.held == [True, False]
