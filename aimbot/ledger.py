"""The ledger of counts sent: what the picture shows already, and what it does not show yet."""

from collections import deque
from dataclasses import dataclass

from aimbot.target import XY

KEPT_NS = 2_000_000_000
SQRT_12 = 12**0.5  # of the width of an even distribution to its deviation


@dataclass(frozen=True, slots=True)
class TimedMove:
    """Counts that turned the view at a time (monotonic ns): the pointer's, or those of the person's mouse."""

    time_ns: int
    dx_counts: int
    dy_counts: int


class CountLedger:
    """Running totals of the counts that were applied, with their times."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, int, int]] = deque()  # (time, total x, total y after it)
        self._before = (0, 0)  # totals before the oldest entry
        self.total: tuple[int, int] = (0, 0)

    def add(self, sent_ns: int, dx_counts: int, dy_counts: int) -> None:
        """Enter counts that were applied at `sent_ns`; one that comes late goes where it belongs."""
        if dx_counts == 0 and dy_counts == 0:
            return
        self.total = (self.total[0] + dx_counts, self.total[1] + dy_counts)
        later: list[tuple[int, int, int]] = []
        while self._entries and self._entries[-1][0] > sent_ns:
            after_ns, x, y = self._entries.pop()
            later.append((after_ns, x + dx_counts, y + dy_counts))
        x, y = self._entries[-1][1:] if self._entries else self._before
        self._entries.append((sent_ns, x + dx_counts, y + dy_counts))
        self._entries.extend(reversed(later))
        while self._entries[-1][0] - self._entries[0][0] > KEPT_NS:
            _, x, y = self._entries.popleft()
            self._before = (x, y)

    def total_at(self, time_ns: int) -> XY:
        """The totals sent up to and including `time_ns`: what a picture that old shows."""
        for sent_ns, x, y in reversed(self._entries):
            if sent_ns <= time_ns:
                return x, y
        return self._before

    def estimate_at(self, time_ns: int, within_ns: int) -> tuple[XY, XY]:
        """The totals at a time known to within so much, and their deviation over an even spread of it."""
        first, last = self.total_at(time_ns - within_ns), self.total_at(time_ns + within_ns)
        spread = abs(last[0] - first[0]) / SQRT_12, abs(last[1] - first[1]) / SQRT_12
        return self.total_at(time_ns), spread

    def totals_between(self, first_ns: int, last_ns: int) -> tuple[list[int], list[XY]]:
        """Each total that a picture from between the two times may show, from when on; oldest first."""
        later: list[tuple[int, XY]] = []
        for sent_ns, x, y in reversed(self._entries):
            if sent_ns <= first_ns:
                break
            if sent_ns <= last_ns:
                later.insert(0, (sent_ns, (x, y)))
        return [first_ns, *(at for at, _ in later)], [self.total_at(first_ns), *(total for _, total in later)]
