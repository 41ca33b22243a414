"""Moves the mouse between frames: small steps along the newest trajectory, at a rate of their own."""

import math
import threading
from types import TracebackType
from typing import Self

from aimbot.ledger import TimedMove
from aimbot.safety import SafetyEnvelope
from aimbot.target import Command
from aimbot.trajectory import LONGEST_STEP_S, Motion, Trajectory
from capture.clock import Clock

LONGEST_NS = round(LONGEST_STEP_S * 1e9)


class PointerThread:
    """Follows one trajectory until the next; every step passes the envelope, and the motion is kept here.

    The loop calls `take` before it decides on a frame, and `follow` after: between the two nothing moves, so
    what it decides by is all that was sent. A trajectory ends with its frame's budget, after LONGEST_STEP_S,
    or where the envelope refuses a step. Without one the thread waits.
    """

    def __init__(self, envelope: SafetyEnvelope, clock: Clock, rate_hz: int) -> None:
        """The thread begins with the `with` block, and takes up to `rate_hz` steps a second."""
        self._envelope, self._clock, self._period_ns = envelope, clock, round(1e9 / rate_hz)
        self._motion = Motion()
        self._trajectory: Trajectory | None = None
        self._moved_ns: int | None = None  # the time of the last step; None at rest
        self._due_ns = 0
        self._sent = (0, 0)  # counts along this trajectory
        self._length_counts = 0.0  # of its steps
        self._moves: list[TimedMove] = []
        self._error: BaseException | None = None
        self._is_closed = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to step, until the end of the block."""
        self._thread = threading.Thread(target=self._run, name="pointer", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self) -> list[TimedMove]:
        """Pause, and hand over what was applied since the last call.

        Raises what ended the thread, once.
        """
        with self._change:
            self._trajectory = None
            self.check()
            moves, self._moves = self._moves, []
            return moves

    def follow(self, trajectory: Trajectory | None) -> None:
        """Go on along this one, at the speed that is; None: come to rest."""
        with self._change:
            if trajectory is None:
                self._rest()
                return
            self._sent, self._length_counts = (0, 0), 0.0
            if self._moved_ns is None or trajectory.decided_ns - self._moved_ns > LONGEST_NS:
                self._rest()
                self._moved_ns = trajectory.decided_ns
                self._due_ns = self._moved_ns + self._period_ns
            self._trajectory = trajectory
            self._change.notify()

    def advance(self) -> float | None:
        """Take the step that is due; seconds until the next one, or None while there is none to take."""
        with self._change:
            now_ns, trajectory = self._clock(), self._trajectory
            if trajectory is None or self._moved_ns is None:
                return None
            if now_ns < self._due_ns:
                return (self._due_ns - now_ns) / 1e9
            is_stale = now_ns - trajectory.captured_ns > self._envelope.budget_ns
            if is_stale or now_ns - trajectory.decided_ns > LONGEST_NS:
                self._rest()
                return None
            self._step(trajectory, (now_ns - self._moved_ns) / 1e9, now_ns)
            # Never two steps close together: games may drop the second of two alike in one millisecond.
            self._due_ns = max(self._due_ns + self._period_ns, now_ns + self._period_ns // 2)
            return (self._due_ns - now_ns) / 1e9

    def check(self) -> None:
        """Raise what ended the thread, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Stop for good, and join the thread; safe to call twice."""
        with self._change:
            self._is_closed = True
            self._rest()
            self._change.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._change:
                while not self._is_closed:
                    self._change.wait(self.advance())
        except BaseException as error:  # handed to the loop's thread
            self._error = error

    def _step(self, trajectory: Trajectory, dt_s: float, now_ns: int) -> None:
        x, y = trajectory.way_at(now_ns)
        counts = self._motion.step(trajectory, (x - self._sent[0], y - self._sent[1]), dt_s)
        self._moved_ns = now_ns
        if counts is None:
            self._rest()
        if not counts or counts == (0, 0):
            return
        move = Command(*counts, fire=False)
        applied = self._envelope.move_on(move, trajectory.captured_ns, self._length_counts)
        dx, dy = applied.dx_counts, applied.dy_counts
        if dx or dy:
            self._moves.append(TimedMove(applied.sent_ns, dx, dy))
            self._sent = self._sent[0] + dx, self._sent[1] + dy
            self._length_counts += math.hypot(dx, dy)
        if applied.refused:
            self._rest()

    def _rest(self) -> None:
        self._trajectory = self._moved_ns = None
        self._motion.reset()
