"""The demo heeds whoever sits before the display that it plays on."""

import threading
from contextlib import ExitStack

import pytest
from wait_helpers import wait_until
from Xlib import XK, X, display
from Xlib.ext import xtest

from aimbot.commands.demo import attend_person, take_score
from aimbot.config import load_settings
from arena.display import is_own, use_display
from capture.errors import UserError


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


def test_nobody_listens_on_a_display_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    before = set(threading.enumerate())
    with use_display(), ExitStack() as stack:
        assert is_own()
        assert attend_person(load_settings("doom"), stack).armed
        assert set(threading.enumerate()) == before
    assert not is_own()
