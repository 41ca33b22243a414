"""What the person wants: hold or toggle to aim, pause, panic, exit."""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from capture.errors import UserError

ArmMode = Literal["hold", "toggle", "always"]
MOUSE_PREFIX = "mouse_"


class HotkeySettings(BaseModel):
    """Keys as pynput names them (`f8`, `shift_r`, `caps_lock`, `a`) or `mouse_left`, `mouse_right` …"""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        self._down.discard(key)
        if self._keys.get(key) is Action.AIM:
            self.held = False


class HotkeyListener:
    """Feeds a Person from pynput's global keyboard and mouse listeners."""

    def __init__(self, person: Person) -> None:
        """Start listening; UserError without a display, or where pynput cannot listen."""
        try:
            from pynput import keyboard, mouse
        except ImportError as error:
            raise UserError(
                f"expected a display to listen for hotkeys on, pynput says: {str(error).splitlines()[0]}; "
                "set DISPLAY, or use --arm always with --dry-run"
            ) from error

        def key_name(key: Any) -> str:
            return str(getattr(key, "char", None) or getattr(key, "name", "")).lower()

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
            listener.start()
        for listener in self._listeners:
            listener.wait()

    def close(self) -> None:
        """Stop listening and join the threads."""
        for listener in self._listeners:
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
