"""What the person wants, from key presses; and a real key through a real X server."""

from types import SimpleNamespace

import pytest
from wait_helpers import wait_until

from aimbot.hotkeys import HotkeyListener, HotkeySettings, Person, name_keys
from capture.errors import UserError


def test_hold_is_armed_only_while_the_key_is_down() -> None:
    person = Person(HotkeySettings(arm="hold", aim="mouse_right"))
    assert not person.armed
    person.press("mouse_right")
    assert person.armed
    person.release("mouse_right")
    assert not person.armed


def test_toggle_changes_at_each_press_and_not_at_repeats() -> None:
    person = Person(HotkeySettings(arm="toggle", aim="x"))
    person.press("x")
    person.press("x")  # auto-repeat, or a doubled report
    assert person.armed
    person.release("x")
    assert person.armed
    person.press("x")
    assert not person.armed


def test_always_is_armed_until_paused() -> None:
    person = Person(HotkeySettings(arm="always"))
    assert person.armed
    person.press("f9")
    person.release("f9")
    assert not person.armed
    person.press("f9")
    assert person.armed


def test_panic_calls_back_at_once_and_disarms_for_good() -> None:
    called: list[bool] = []
    person = Person(HotkeySettings(arm="always"), on_panic=lambda: called.append(True))
    person.press("f8")
    assert called == [True]
    person.release("f8")
    person.press("mouse_right")
    assert not person.armed


def test_exit_disarms_and_is_told() -> None:
    person = Person(HotkeySettings(arm="always"))
    person.press("f10")
    assert person.exiting
    assert not person.armed


def test_a_key_that_is_released_under_shift_is_no_longer_held() -> None:
    person = Person(HotkeySettings(arm="hold", aim="1"))
    person.press("1")
    person.press("shift")
    person.release("!")  # as pynput calls it then
    assert not person.armed
    person.press("1")
    assert person.armed


def test_keys_are_known_by_all_their_names_and_others_are_refused() -> None:
    keys = {
        "ctrl": SimpleNamespace(name="ctrl"),
        "ctrl_l": SimpleNamespace(name="ctrl"),
        "esc": SimpleNamespace(name="esc"),
    }
    buttons = {"left": None, "right": None}
    assert name_keys(("ctrl_l", "x", "mouse_right"), keys, buttons) == {"ctrl": "ctrl_l"}
    for wrong, message in (("escape", "did you mean esc"), ("mouse_middel", "a mouse button in hotkeys")):
        with pytest.raises(UserError, match=message):
            name_keys((wrong,), keys, buttons)
    with pytest.raises(UserError, match="got 'ctrl' and 'ctrl_l', which are one key"):
        name_keys(("ctrl", "x", "ctrl_l"), keys, buttons)


@pytest.mark.usefixtures("xvfb_display")
def test_real_keys_and_buttons_are_heard() -> None:
    from Xlib import XK, X, display
    from Xlib.ext import xtest

    person = Person(HotkeySettings(arm="hold", aim="mouse_right", panic="f8"))
    listener = HotkeyListener(person)
    server = display.Display()
    try:
        xtest.fake_input(server, X.ButtonPress, 3)
        server.sync()
        assert wait_until(lambda: person.armed)
        xtest.fake_input(server, X.ButtonRelease, 3)
        server.sync()
        assert wait_until(lambda: not person.armed)
        key = server.keysym_to_keycode(XK.string_to_keysym("F8"))
        xtest.fake_input(server, X.KeyPress, key)
        xtest.fake_input(server, X.KeyRelease, key)
        server.sync()
        assert wait_until(lambda: person.panicked)
    finally:
        server.close()
        listener.close()
