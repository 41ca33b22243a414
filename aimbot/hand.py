"""The seam to the person's own mouse: it turns the view too, beside what the pointer sends."""

import sys
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aimbot.ledger import TimedMove
from capture.clock import Clock

MOST_PENDING = 256


@dataclass(frozen=True, slots=True)
class RawMove:
    """Motion of any device, in its own counts without acceleration; some devices report parts of a count."""

    time_ns: int
    x_counts: float
    y_counts: float


def sum_old(moves: Sequence[TimedMove], before_ns: int) -> list[TimedMove]:
    """The moves, with those from before a time as one, at the time of the last of them; oldest first."""
    old = [move for move in moves if move.time_ns < before_ns]
    if not old:
        return list(moves)
    dx, dy = sum(move.dx_counts for move in old), sum(move.dy_counts for move in old)
    return [TimedMove(old[-1].time_ns, dx, dy), *(move for move in moves if move.time_ns >= before_ns)]


class HandMotion(Protocol):
    """Knows how the person moves the mouse."""

    def take(self) -> list[TimedMove]:
        """The person's moves since the last call, without those that were announced as ours."""

    def sent(self, dx_counts: int, dy_counts: int) -> None:
        """Announce a move of our own pointer, before the next `take`; (0, 0) is none."""

    def close(self) -> None:
        """Give back what the listener holds."""


class NoHand:
    """Sees no motion: for systems without a listener, and for runs that must not follow the hand."""

    def take(self) -> list[TimedMove]:
        """Nothing."""
        return []

    def sent(self, dx_counts: int, dy_counts: int) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class OwnMoves:
    """Tells the hand's motion from ours, where the system shows both: by what we sent.

    Our moves come back one by one and unchanged, so each takes out one motion of the same counts. The device
    they come from would not do: remote desktops and other accessibility tools speak for the person through
    the same XTEST device as we do. If the hand makes the very same move at the same time, it does not matter
    which of the two is left out.
    """

    def __init__(self) -> None:
        self._pending: deque[tuple[int, int]] = deque(maxlen=MOST_PENDING)
        self._unsent = (0.0, 0.0)

    def sent(self, dx_counts: int, dy_counts: int) -> None:
        """Expect this motion."""
        if dx_counts or dy_counts:
            self._pending.append((dx_counts, dy_counts))

    def leave_out(self, moves: Iterable[RawMove]) -> list[TimedMove]:
        """The moves that are not ours, in whole counts; what is left of a count is carried on."""
        left = []
        for move in moves:
            if (move.x_counts, move.y_counts) in self._pending:
                self._pending.remove((int(move.x_counts), int(move.y_counts)))
                continue
            x, y = self._unsent[0] + move.x_counts, self._unsent[1] + move.y_counts
            dx, dy = int(x), int(y)
            self._unsent = (x - dx, y - dy)
            if dx or dy:
                left.append(TimedMove(move.time_ns, dx, dy))
        return left


def open_hand(follow: bool, clock: Clock) -> HandMotion:
    """The listener of this platform, or none if the hand is not to be followed or cannot be.

    UserError where there ought to be one and it cannot listen.
    """
    if follow and sys.platform == "linux":
        from aimbot.hand_x11 import X11Hand

        return X11Hand(clock)
    return NoHand()
