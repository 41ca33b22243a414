"""Under load: on which level of the detector the pixels stay young enough, told by how old they were."""

from collections import deque

TARGET_MS = 25.0
WINDOW_NS = 1_000_000_000
MOST_LATE_NS = 100_000_000
"""For so much of the last second the pixels that were acted on may be too old."""
GAP_NS = 100_000_000
"""A frame stands for the time since the one before, but for no more: then nothing was drawn."""
CALM_NS = 2_000_000_000
"""After so long on a level that holds, the dearer one is tried."""
MOST_CALM_NS = 16_000_000_000
"""A trial that fails doubles the wait for the next one, up to this."""


class Governor:
    """Steps down once pixels were too old for a tenth of a second, and climbs back after a calm time.

    Level 0 is the dearest. What it is told alone decides, so that a replay decides alike.
    """

    def __init__(self, levels: int = 1, target_ms: float = TARGET_MS) -> None:
        """`levels`: how many there are; with one there is no choice. `target_ms`: the most that is young."""
        self.levels = levels
        self.aim_for(target_ms)
        self.start()

    def start(self) -> None:
        """Begin a run: on level 0, with nothing known."""
        self.level = 0
        self._waits_ns = [CALM_NS] * self.levels  # on each level, before the dearer one is tried
        self._is_trial = False
        self._since_ns: int | None = None  # on this level
        self._last_ns = 0
        self._late: deque[tuple[int, int]] = deque()  # when pixels were too old, and for how long
        self._late_ns = 0  # the sum of it

    def aim_for(self, target_ms: float) -> None:
        """Take a new target."""
        self._target_ns = round(target_ms * 1e6)

    def note(self, age_ns: int, now_ns: int) -> None:
        """A frame was looked at on this level; when the mouse moved for it, now, it was so old."""
        if self._since_ns is None:
            self._since_ns = self._last_ns = now_ns
        self._count_late(age_ns, now_ns)
        stayed_ns = now_ns - self._since_ns
        if self._is_trial and stayed_ns >= CALM_NS:
            self._is_trial, self._waits_ns[self.level + 1] = False, CALM_NS
        if self._late_ns > MOST_LATE_NS:
            self._step_down(now_ns)
        elif self.level > 0 and stayed_ns >= self._waits_ns[self.level]:
            self.go_to(self.level - 1, now_ns)
            self._is_trial = True

    def go_to(self, level: int, now_ns: int) -> None:
        """Be on this level from now on, with nothing held against it."""
        self.level, self._since_ns, self._is_trial = min(level, self.levels - 1), now_ns, False
        self._late.clear()
        self._late_ns = 0

    def _count_late(self, age_ns: int, now_ns: int) -> None:
        passed_ns, self._last_ns = min(now_ns - self._last_ns, GAP_NS), now_ns
        if age_ns > self._target_ns:
            self._late.append((now_ns, passed_ns))
            self._late_ns += passed_ns
        while self._late and now_ns - self._late[0][0] >= WINDOW_NS:
            self._late_ns -= self._late.popleft()[1]

    def _step_down(self, now_ns: int) -> None:
        below = self.level + 1
        if below == self.levels:
            return
        if self._is_trial:
            self._waits_ns[below] = min(2 * self._waits_ns[below], MOST_CALM_NS)
        self.go_to(below, now_ns)
