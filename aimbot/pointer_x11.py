"""Relative mouse motion on X11 through the XTEST extension."""

from contextlib import suppress

from Xlib import X, display
from Xlib.error import ConnectionClosedError, DisplayError
from Xlib.ext import xtest

from capture.errors import UserError

FIRE_BUTTON = 1


class X11Pointer:
    """Sends relative motion events, as a mouse does.

    pynput's `move` sends absolute positions, which a game with a captured pointer reads as huge turns.
    """

    def __init__(self, display_name: str | None = None) -> None:
        """Connect to `display_name`, or to DISPLAY; UserError if there is none or it lacks XTEST."""
        try:
            self._display = display.Display(display_name)
        except (DisplayError, OSError) as error:
            raise UserError(
                f"expected an X display to move the mouse on, found none ({error}); set DISPLAY"
            ) from error
        if not self._display.query_extension("XTEST"):
            raise UserError(
                "expected an X server with the XTEST extension, found none; start it with +extension XTEST"
            )

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        """Send one summed motion: games may drop a second identical one within the same millisecond."""
        # detail=True marks the motion as relative (X11 XTEST protocol, FakeInput of MotionNotify).
        self._send(X.MotionNotify, detail=True, x=dx_counts, y=dy_counts)
        return dx_counts, dy_counts

    def press(self) -> bool:
        """Press the left button."""
        self._send(X.ButtonPress, FIRE_BUTTON)
        return True

    def release(self) -> None:
        """Release the left button."""
        self._send(X.ButtonRelease, FIRE_BUTTON)

    def close(self) -> None:
        """Close the connection, once the server has taken all events."""
        with suppress(ConnectionClosedError):  # the display may be gone
            self._display.sync()
            self._display.close()

    def _send(self, kind: int, detail: int, **place: int) -> None:
        try:
            xtest.fake_input(self._display, kind, detail, **place)
            self._display.flush()
        except ConnectionClosedError as error:
            raise UserError(
                "expected the X display to stay, it is gone; start the game, and this again"
            ) from error
