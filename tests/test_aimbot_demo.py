"""The demo heeds whoever sits before the display that it plays on."""

import threading
from contextlib import ExitStack
from typing import Self

import pytest
from aim_helpers import LoggingPointer
from conftest import OpenWindow
from wait_helpers import wait_until
from Xlib import XK, X, display
from Xlib.ext import xtest

from aimbot.commands import demo
from aimbot.commands.demo import attend_person, take_score
from aimbot.config import load_settings
from arena.display import is_own, use_display
from capture.errors import UserError
from capture.frame import Region


def strike(server: display.Display, name: str) -> None:
    """Press and release a key; pynput says that it listens a little before it does: once may be too few."""
    code = server.keysym_to_keycode(XK.string_to_keysym(name))
    for kind in (X.KeyPress, X.KeyRelease):  # a key left down would repeat in all tests that follow
        xtest.fake_input(server, kind, code)
    server.sync()


@pytest.mark.usefixtures("xvfb_display")
def test_the_exit_key_ends_the_demo_without_a_score() -> None:
    assert not is_own()
    server = display.Display()
    with ExitStack() as stack:
        person = attend_person(load_settings("doom"), stack)
        assert person.armed
        assert wait_until(lambda: strike(server, "F10") or person.exiting)
    server.close()
    with pytest.raises(UserError, match="the exit key ended it"):
        take_score(None, person)  # type: ignore[arg-type] # it is not asked


class StillGame:
    """A window that is there, and a game that does nothing."""

    window_title = "Painted game"
    over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def wait_ready(self) -> None:
        """It is."""

    def go(self) -> None:
        """It does not."""


@pytest.mark.parametrize("focused", [True, False])
def test_the_first_motion_goes_to_the_games_window_or_nowhere(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch, focused: bool
) -> None:
    pointer = LoggingPointer()
    monkeypatch.setattr(demo, "open_pointer", lambda: pointer)
    monkeypatch.setattr(demo, "FOCUS_TRY_S", 0.001)
    if not focused:
        monkeypatch.setattr("capture.window_x11.X11Window.focus", lambda _window: None)
    window = open_window("Other", Region(400, 400, 50, 50))
    open_window()
    window.set_input_focus(window.window)
    assert demo.enter_game(StillGame(), load_settings("default")) is pointer
    assert [event for event in pointer.events if event[0] == "move"] == [("move", 1, 0)] * focused


def test_a_protected_game_that_starts_stops_the_blind_player(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer, processes = LoggingPointer(), ["game"]
    monkeypatch.setattr(demo, "open_pointer", lambda: pointer)
    monkeypatch.setattr("arena.process.GameProcess", lambda *_arguments: StillGame())
    monkeypatch.setattr("aimbot.protected.WATCH_PERIOD_S", 0.01)
    monkeypatch.setattr("aimbot.protected.list_processes", lambda: processes)
    monkeypatch.setattr(demo, "take_score", lambda *_: pytest.fail("it was played to its end"))
    open_window()
    starter = threading.Timer(1.0, processes.append, ["vgc.exe"])
    starter.start()
    with pytest.raises(UserError, match=r"found vgc\.exe running"):
        demo.play_blind(load_settings("default"), 60, 1)
    starter.join()
    assert pointer.events.count(("press",)) == pointer.events.count(("release",)) > 0


def test_nobody_listens_on_a_display_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    before = set(threading.enumerate())
    with use_display(), ExitStack() as stack:
        assert is_own()
        assert attend_person(load_settings("doom"), stack).armed
        assert set(threading.enumerate()) == before
    assert not is_own()
