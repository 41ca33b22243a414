"""A run whose detector has several levels: what it tells, records, and replays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aim_helpers import LoggingPointer

from aimbot.assistant import RunPlan, run_assistant
from aimbot.commands.replay import replay
from aimbot.config import Settings, load_settings
from aimbot.hotkeys import HotkeySettings, Person
from aimbot.levels import decode_rungs, encode_rungs, open_levels
from capture.clock import monotonic_ns, sleep_s
from capture.frame import Frame
from capture.replay import ReplaySource, open_replay
from capture.session import Session, read_session
from detection.ladder import Rung

RECORDING = Path(__file__).parent.parent / "arena" / "recording"
FRAMES = 60


def show_frames() -> Iterator[Frame]:
    """The shipped recording as if it were played now; every fifth picture is shown twice."""
    recording = open_replay(RECORDING, paced=False, clock=monotonic_ns)
    number = 0
    while number < FRAMES and (shown := recording.grab()) is not None:
        for _ in range(1 + (number % 5 == 0)):
            sleep_s(0.02)
            yield Frame(shown.pixels, monotonic_ns(), number, shown.region)
            number += 1
    recording.close()


def record_run(settings: Settings, folder: Path) -> tuple[dict[str, object], Session, list[str]]:
    """A run with every frame on record: its summary, its session, and its live lines."""
    levels = open_levels(settings)
    lines: list[str] = []
    source = ReplaySource(show_frames(), monotonic_ns, paced=False)
    person = Person(HotkeySettings.model_validate({"arm": "always"}))
    plan = RunPlan(settings, source, levels.detector, LoggingPointer(), person, record=folder)
    plan.governor, plan.rungs, plan.report = levels.governor, levels.rungs, lines.append
    summary = run_assistant(plan)
    levels.detector.close()
    return summary, read_session(folder), lines


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Session, list[str]]:
    """One in which no age is young enough, so that it goes down to the lowest level."""
    settings = load_settings("doom", ["loop.target_ms=0.001", "loop.budget_ms=10000"])
    return record_run(settings, tmp_path_factory.mktemp("levels") / "session")


def test_the_summary_and_the_live_line_tell_the_level(
    run: tuple[dict[str, object], Session, list[str]],
) -> None:
    summary, session, lines = run
    rungs = decode_rungs(session.header["levels"])
    levels = summary["levels"]
    assert isinstance(levels, list)
    assert [row["level"] for row in levels] == list(range(len(rungs)))
    assert [row["name"] for row in levels] == [str(rung) for rung in rungs]
    assert sum(row["frames"] for row in levels) == summary["frames"]
    assert sum(row["seconds"] for row in levels) > 0.5
    changes = summary["level_changes"]
    assert isinstance(changes, list)
    assert [level for _, level in changes] == list(range(1, len(rungs)))
    assert any("level 3: 320x256" in line or "level 2: 320x256" in line for line in lines)


def test_a_row_has_the_level_that_its_picture_was_looked_at_on_and_none_where_it_was_not(
    run: tuple[dict[str, object], Session, list[str]],
) -> None:
    _, session, _ = run
    levels = [row["level"] for row in session.rows]
    assert None in levels
    looked = [level for level in levels if level is not None]
    assert looked == sorted(looked)
    assert looked[-1] == len(session.header["levels"]) - 1


@pytest.mark.parametrize("redetect", [False, True])
def test_a_replay_decides_alike_on_the_same_levels_also_when_it_detects_anew(
    run: tuple[dict[str, object], Session, list[str]], redetect: bool
) -> None:
    summary, session, _ = run
    result = replay(session.folder, None, [], None, video=False, redetect=redetect)
    assert result["frames"] == summary["frames"]
    assert result["mismatches"] == []


def test_a_replay_with_another_target_says_where_the_level_would_differ(
    run: tuple[dict[str, object], Session, list[str]],
) -> None:
    _, session, _ = run
    settings = ["loop.adaptive=true", "loop.target_ms=10000", "loop.budget_ms=10000"]
    result = replay(session.folder, "doom", settings, None, video=False, redetect=False)
    found = [one for one in result["mismatches"] if one["stage"] == "level"]
    changes = len(session.header["levels"]) - 1
    assert [(one["expected"], one["got"]) for one in found] == [(n + 1, n) for n in range(changes)]


def test_without_adaptive_there_is_one_level_and_no_word_of_it(tmp_path: Path) -> None:
    settings = load_settings("doom", ["loop.adaptive=false", "loop.budget_ms=10000"])
    summary, session, lines = record_run(settings, tmp_path / "session")
    assert "levels" not in summary
    assert session.header["levels"] == []
    assert {row["level"] for row in session.rows} == {0, None}
    assert not any("level" in line for line in lines)


def test_rungs_survive_json() -> None:
    rungs = [Rung((640, 480), 2), Rung((320, 256), 1)]
    assert decode_rungs(encode_rungs(rungs)) == rungs
