"""What the person wants: hold or toggle to aim, pause, panic, exit."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from capture.errors import UserError

ArmMode = Literal["hold", "toggle", "always"]
MOUSE_PREFIX = "mouse_"
FIRE_KEY = "mouse_left"
"""What the pointer presses; it is heard like anyone's press."""


class HotkeySettings(BaseModel):
    """Keys as pynput names them (`f8`, `shift_r`, `caps_lock`, `a`) or `mouse_left`, `mouse_right` …"""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    arm: ArmMode = "hold"
    aim: str = "mouse_right"
    pause: str = "f9"
    panic: str = "f8"
    exit: str = "f10"
    follow_hand: bool = Field(True, description="take the person's own mouse motion for motion of the view")

    @field_validator("aim", "pause", "panic", "exit")
    @classmethod
    def _lower(cls, key: str) -> str:
        if not key.strip():
            raise ValueError("expected a key's name, got an empty text")
        return key.strip().lower()

    @property
    def keys(self) -> tuple[str, ...]:
        """All of them."""
        return self.aim, self.pause, self.panic, self.exit

    @model_validator(mode="after")
    def _check_distinct(self) -> Self:
        if twice := next((key for key in self.keys if self.keys.count(key) > 1), None):
            raise ValueError(f"expected a key of its own for aim, pause, panic and exit, got {twice!r} twice")
        return self


class Action(StrEnum):
    """What a key is bound to."""

    AIM = "aim"
    PAUSE = "pause"
    PANIC = "panic"
    EXIT = "exit"


class Person:
    """The person's wishes, from key presses. Pure: no listener, no thread."""

    def __init__(self, settings: HotkeySettings, on_panic: Callable[[], None] | None = None) -> None:
        """`on_panic` is called at once, on the listener's thread."""
        self._mode: ArmMode = settings.arm
        self._keys = {getattr(settings, action.value): action for action in Action}
        self.keys = tuple(self._keys)
        self.on_panic = on_panic
        self._down: set[str] = set()
        self._toggled = False
        self.held = False
        self.paused = False
        self.panicked = False
        self.exiting = False

    @property
    def armed(self) -> bool:
        """Whether the person wants output now."""
        if self.paused or self.panicked or self.exiting:
            return False
        return self._mode == "always" or (self.held if self._mode == "hold" else self._toggled)

    def press(self, key: str) -> None:
        """A key went down; auto-repeat and doubled reports of one press count once."""
        if key in self._down:
            return
        self._down.add(key)
        action = self._keys.get(key)
        if action is Action.PANIC:
            self.panicked = True
            if self.on_panic:
                self.on_panic()
        elif action is Action.EXIT:
            self.exiting = True
        elif action is Action.PAUSE:
            self.paused = not self.paused
        elif action is Action.AIM:
            self.held = True
            self._toggled = not self._toggled

    def release(self, key: str) -> None:
        """A key went up."""
        let_go = {key}
        if len(key) == 1 and key not in self._down:  # pressed without Shift, as 1, and released with it, as !
            let_go |= {one for one in self._down if len(one) == 1}
        self._down -= let_go
        if any(self._keys.get(one) is Action.AIM for one in let_go):
            self.held = False


def name_keys(wanted: Iterable[str], keys: Mapping[str, Any], buttons: Mapping[str, Any]) -> dict[str, str]:
    """What pynput reports for a wanted key, where that is another of its names: `ctrl` for `ctrl_l` on X11.

    keys, buttons: pynput's, by name. UserError for a key that none of them is, and for two that are one.
    """
    mice = [MOUSE_PREFIX + button for button in buttons]
    aliases: dict[str, str] = {}
    for name in wanted:
        if name in keys:
            other = aliases.setdefault(keys[name].name, name)
            if other != name:
                raise UserError(
                    f"expected different keys in hotkeys, got {other!r} and {name!r}, which are one key"
                )
        elif len(name) > 1 and name not in mice:
            near = difflib.get_close_matches(name, [*keys, *mice])
            raise UserError(
                f"expected a key or a mouse button in hotkeys, got {name!r}; "
                + (f"did you mean {near[0]}?" if near else "try f8, shift_r, a or mouse_right")
            )
    return aliases


def _end_quietly(run: Callable[[], None]) -> Callable[[], None]:
    """Of pynput's own thread, which else prints a traceback where its display goes away."""

    def run_quietly() -> None:
        with suppress(Exception):
            run()

    return run_quietly


class HotkeyListener:
    """Feeds a Person from pynput's global keyboard and mouse listeners."""

    def __init__(self, person: Person) -> None:
        """Start listening; UserError without a display, where pynput cannot listen, and for unknown keys."""
        try:
            from pynput import keyboard, mouse
        except ImportError as error:
            raise UserError(
                f"expected a display to listen for hotkeys on, pynput says: {str(error).splitlines()[0]}; "
                "set DISPLAY"
            ) from error

        aliases = name_keys(person.keys, keyboard.Key.__members__, mouse.Button.__members__)

        def key_name(key: Any) -> str:
            name = str(getattr(key, "char", None) or getattr(key, "name", "")).lower()
            return aliases.get(name, name)

        def click(_x: int, _y: int, button: Any, pressed: bool) -> None:
            name = MOUSE_PREFIX + button.name
            if pressed:
                person.press(name)
            else:
                person.release(name)

        self._listeners = [
            keyboard.Listener(
                on_press=lambda key: person.press(key_name(key)),
                on_release=lambda key: person.release(key_name(key)),
            ),
            mouse.Listener(on_click=click),
        ]
        for listener in self._listeners:
            listener._run = _end_quietly(listener._run)
            listener.start()
        for listener in self._listeners:
            listener.wait()

    def close(self) -> None:
        """Stop listening and join the threads."""
        for listener in self._listeners:
            with suppress(Exception):  # its display may be gone
                listener.stop()
            # On X11 pynput's own request to end is queued behind the data it waits for; the RECORD protocol
            # wants it on the other connection.
            control = getattr(listener, "_display_stop", None)
            if control is not None:
                with suppress(Exception):  # the thread may have ended, and closed it, meanwhile
                    control.record_disable_context(listener._context)
                    control.flush()
        for listener in self._listeners:
            listener.join(timeout=2)
