"""When something was drawn, by the DAMAGE extension of the X server."""

import os
import select
from contextlib import suppress

from Xlib import error
from Xlib.display import Display
from Xlib.ext import damage

READ_BYTES = 65536


class ScreenDamage:
    """Waits until something is drawn anywhere on the screen; for one thread."""

    def __init__(self, display: Display) -> None:
        """Takes over `display`, which must have the extension, and closes it at the end."""
        self._display = display
        display.damage_query_version()
        # Each drawing is reported, so that nothing has to be taken back after a report.
        display.screen().root.damage_create(damage.DamageReportRawRectangles)
        display.sync()

    def wait(self, timeout_s: float) -> bool:
        """Whether something was drawn since the last call, or is within `timeout_s`.

        A server that is gone counts as drawing: whoever looks then learns of it.
        """
        connection = self._display.fileno()
        if not select.select([connection], [], [], timeout_s)[0]:
            return False
        # Nothing but reports comes here, and what they say is no matter: to parse them took 0.4 ms.
        with suppress(OSError):
            os.read(connection, READ_BYTES)
        return True

    def close(self) -> None:
        """Close the connection."""
        # Display.close would first read and parse what is left there, and raise where the server is gone.
        self._display.display.close_internal("client")


def open_damage() -> ScreenDamage | None:
    """On the present DISPLAY; None if that cannot be had, or its server lacks the extension."""
    try:
        display = Display()
    except (error.DisplayError, error.ConnectionClosedError, OSError):
        return None
    try:
        if display.has_extension("DAMAGE"):
            return ScreenDamage(display)
    except (error.XError, error.ConnectionClosedError):
        pass  # a proxy may name an extension that it does not carry
    with suppress(error.ConnectionClosedError):  # the server may be gone
        display.close()
    return None
