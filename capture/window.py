"""Find a window by its title, follow it, and know whether it has the focus.

The platform's own file does the work: window_x11.py is the only one so far.
"""

import sys
import threading
from typing import Protocol

from capture.clock import Clock
from capture.errors import UserError
from capture.frame import Region

FOCUS_PERIOD_S = 0.02


class WindowGone(UserError):  # noqa: N818 - an event more than an error
    """The window was closed, or its display was; who expects that a game is closed catches it."""


class DisplayGone(WindowGone):
    """The display was closed, with all that is on it."""


class Window(Protocol):
    """One window, over a connection for one thread; every method raises WindowGone once it is closed."""

    title: str
    """As it was when the window was found."""
    choice: str | None
    """Which window was taken, in a line, where several matched as well."""

    def region(self) -> Region:
        """Where its client area (without decoration) lies on the screen; it may be partly outside."""

    def focused(self) -> bool:
        """Whether keys and clicks go to it."""

    def focus(self) -> None:
        """Raise it, and ask for the focus; a window manager may take its time."""

    def reconnect(self) -> "Window":
        """The same window over a new connection, for another thread."""

    def close(self) -> None:
        """Close the connection; the window stays."""


def find_window(title: str) -> Window:
    """The window with this title, or else the first whose title contains it, in any case.

    Where several match as well, the first is taken, and its `choice` says so. UserError lists the titles
    there are, the nearest first.
    """
    return _load_platform().find_window(title)


def list_titles() -> list[str]:
    """Titles of the windows that are shown."""
    return _load_platform().list_titles()


class _Platform(Protocol):
    def find_window(self, title: str) -> Window: ...

    def list_titles(self) -> list[str]: ...


def _load_platform() -> _Platform:
    if sys.platform != "linux":
        raise UserError("window lookup is built for X11; use --region")
    from capture import window_x11

    return window_x11


class FocusWatch:
    """Asks every 20 ms, in its own thread, whether a window has the focus, so that a loop need not wait."""

    def __init__(self, window: Window, clock: Clock) -> None:
        self._window, self._clock = window, clock
        self._state = (False, 0)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="focus", daemon=True)
        self._thread.start()

    def state(self) -> tuple[bool, int]:
        """Whether it had the focus, and when that was asked (ns); (False, 0) before the first answer.

        A window that is gone has no focus, and its stamp grows old.
        """
        return self._state

    def close(self) -> None:
        """Stop, and join the thread; the window given stays open."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            window = self._window.reconnect()
        except WindowGone:
            return
        try:
            while not self._closed.is_set():
                asked_ns = self._clock()
                self._state = (window.focused(), asked_ns)
                self._closed.wait(FOCUS_PERIOD_S)
        except WindowGone:
            self._state = (False, self._clock())
        finally:
            window.close()
