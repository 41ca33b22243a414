"""When something was drawn on the screen, as far as the system says so.

The platform's own file does the work: damage_x11.py is the only one so far.
"""

import sys
from typing import Protocol

UNREPORTED_LOOK_S = 0.05
MOST_UNREPORTED = 3.0
FORGIVEN = 0.25  # by each report that proves right; others draw on the same screen


class Damage(Protocol):
    """Reports of what is drawn anywhere on the screen; for one thread."""

    def wait(self, timeout_s: float) -> bool:
        """Whether something was drawn since the last call, or is within `timeout_s`."""

    def close(self) -> None:
        """Close the connection."""


def open_damage() -> Damage | None:
    """None where the system reports nothing."""
    if not sys.platform.startswith("linux"):
        return None
    from capture import damage_x11

    return damage_x11.open_damage()


class DrawingWatch:
    """Waits for the reports, as long as they prove right.

    Some drivers draw without a report. So without one it is still time to look every UNREPORTED_LOOK_S, and
    when such looks have found something new MOST_UNREPORTED times, the reports are no longer asked.
    """

    def __init__(self, damage: Damage | None) -> None:
        """Takes over `damage`, and closes it; without any, no wait lasts."""
        self._damage = damage
        self._is_drawn = True  # the first look waits for nothing
        self._was_reported = False
        self._unreported = 0.0

    def wait(self, timeout_s: float = UNREPORTED_LOOK_S) -> bool:
        """Until something is drawn, or it is time to look all the same; False if there are no reports."""
        if self._damage is None:
            return False
        timeout_s = min(max(timeout_s, 0.0), UNREPORTED_LOOK_S)
        self._was_reported = self._is_drawn or self._damage.wait(timeout_s)
        self._is_drawn = False
        return True

    def found_new(self) -> None:
        """The look after a wait showed something new."""
        if self._damage is None:
            return
        if not self._was_reported:  # unless the report came between the wait and the look
            self._was_reported = self._is_drawn = self._damage.wait(0)
        change = -FORGIVEN if self._was_reported else 1.0
        self._unreported = max(self._unreported + change, 0.0)
        if self._unreported >= MOST_UNREPORTED:
            self.close()

    def close(self) -> None:
        """Ask for no more reports."""
        damage, self._damage = self._damage, None
        if damage is not None:
            damage.close()
