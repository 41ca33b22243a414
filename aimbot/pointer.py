"""The seam to the mouse: relative motion and one fire button."""

import sys
from typing import Protocol

from capture.errors import UserError


class Pointer(Protocol):
    """Moves the mouse by counts. Only the safety envelope may hold one."""

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        """Send one relative motion; returns the counts that were applied."""

    def press(self) -> bool:
        """Press the fire button; returns whether it is down."""

    def release(self) -> None:
        """Release the fire button; harmless if it is up."""

    def close(self) -> None:
        """Give back what the pointer holds."""


class NullPointer:
    """Moves nothing and says so: for dry runs."""

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        """Applies nothing."""
        return 0, 0

    def press(self) -> bool:
        """Presses nothing."""
        return False

    def release(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


def open_pointer() -> Pointer:
    """The relative pointer of this platform; UserError where there is none."""
    if sys.platform == "linux":
        from aimbot.pointer_x11 import X11Pointer

        return X11Pointer()
    raise UserError(
        f"expected a platform with a relative pointer (linux with X11), found {sys.platform}; use --dry-run"
    )
