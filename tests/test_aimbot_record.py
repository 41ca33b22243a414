"""`record` says why it ended, and ends when a protected game starts."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWindow, PaintedWindow
from wait_helpers import wait_until

from aimbot.commands.common import Where
from aimbot.commands.run import record
from capture.errors import UserError
from capture.frame import Region
from capture.session import read_session


@contextmanager
def once_recorded(folder: Path, act: Callable[[], object]) -> Iterator[None]:
    """Acts, in another thread, when the first row is there."""

    def wait_then_act() -> None:
        rows = folder / "frames.jsonl"
        assert wait_until(lambda: rows.exists() and rows.stat().st_size > 0)
        act()

    thread = threading.Thread(target=wait_then_act)
    thread.start()
    yield
    thread.join()


def record_window(folder: Path, seconds: float | None = 20.0) -> dict[str, Any]:
    return record(Where("painted"), "default", [], folder, seconds)


def resize(window: PaintedWindow) -> None:
    window.window.configure(width=80, height=40)
    window.paint(0x123456)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (PaintedWindow.close, "the window was closed"),
        (
            resize,
            "the picture's size changed from 64x48 to 80x40; record again",
        ),
    ],
)
def test_what_ended_a_recording_is_told(
    open_window: OpenWindow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    act: Callable[[PaintedWindow], object],
    why: str,
) -> None:
    window = open_window()
    with once_recorded(tmp_path / "s", lambda: act(window)):
        result = record_window(tmp_path / "s")
    assert result["ended"] == why
    assert result["frames"] == len(read_session(tmp_path / "s").rows) > 0
    assert f"the recording ended: {why}" in " ".join(capsys.readouterr().err.split())


def test_which_of_several_windows_is_recorded_is_told(
    open_window: OpenWindow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_window("Painted one")
    open_window("Painted two", Region(400, 400, 30, 20))
    record_window(tmp_path / "s", 0.3)
    assert "2 windows match: 'Painted one' (" in capsys.readouterr().err


def test_a_recording_ends_with_its_time(open_window: OpenWindow, tmp_path: Path) -> None:
    open_window()
    assert record_window(tmp_path / "s", 0.5)["ended"] == "the time is over"


def test_a_protected_game_that_starts_ends_a_recording(
    open_window: OpenWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = ["game"]
    monkeypatch.setattr("aimbot.protected.list_processes", lambda: processes)
    monkeypatch.setattr("aimbot.protected.WATCH_PERIOD_S", 0.01)
    open_window()
    with (
        once_recorded(tmp_path / "s", lambda: processes.append("vgc.exe")),
        pytest.raises(UserError, match=r"found vgc\.exe running"),
    ):
        record_window(tmp_path / "s")
    assert read_session(tmp_path / "s").rows
