"""Sends counts to a game and looks at what they did, all of it through the safety envelope."""

from collections.abc import Callable

import numpy as np

from aimbot.calibration.shifts import MOVED_LEVELS, Picture, to_picture
from aimbot.loop import Mailbox
from aimbot.safety import Applied, Refusal, SafetyEnvelope
from aimbot.target import Command
from capture.clock import Clock
from capture.errors import UserError
from capture.frame import Frame

SETTLE_S = 0.2
"""A picture is looked at so long after the last count: seven of Doom's tics, twelve frames at 60 Hz."""
REST_S = 0.1
"""The next reaction is measured so long after one was seen."""
REACTION_TIMEOUT_S = 0.6
TAKE_TIMEOUT_S = 0.5
GUARD_S = 1.0
"""Nothing is sent unless the guard was asked within this time."""
FOCUS_PATIENCE_S = 2.0
"""A focus that comes back within this time spoils nothing, for meanwhile nothing was sent."""
SAMPLE_STEP = 4
"""Reactions are looked for in every fourth pixel of every fourth row."""


class Probe:
    """One game's window: counts in, settled pictures and reaction times out.

    `sent_counts` is what the game was turned by so far, `size_wh` the size of its window at the last look.
    UserError where the envelope refuses, for then the person has stopped it, or the game lost the focus.
    Once the person or the guard has stopped it, nothing is sent any more.
    """

    def __init__(
        self,
        frames: Mailbox,
        envelope: SafetyEnvelope,
        clock: Clock,
        pause: Callable[[float], None],
        report: Callable[[str], None] = lambda _line: None,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        """`frames` must repeat a still picture within the envelope's budget (`capture.repeat_s`).

        guard: raises where nothing may be sent any more, as where a protected game has started.
        """
        self._frames, self._envelope, self._clock, self._pause = frames, envelope, clock, pause
        self.report, self._guard = report, guard
        self._guarded_until_ns = clock()
        self._settled_ns = clock() + round(SETTLE_S * 1e9)
        self.sent_counts = np.zeros(2, int)
        self.size_wh = (0, 0)

    def look(self) -> Picture:
        """The picture once the last motion has settled."""
        frame = self._take_after(self._settled_ns)
        self.size_wh = frame.size_wh
        return to_picture(frame.pixels)

    def turn(self, dx_counts: int, dy_counts: int) -> int:
        """Send one motion; returns when it was sent (ns)."""
        return self._send(dx_counts, dy_counts, self._take())

    def turn_back(self) -> None:
        """Undo all that was sent."""
        while self.sent_counts.any():
            length = max(1.0, float(np.abs(self.sent_counts).max()) / self.max_step_counts)
            dx, dy = (int(count) for count in np.fix(-self.sent_counts / length))
            self.turn(dx, dy)

    @property
    def max_step_counts(self) -> int:
        """The longest motion that the envelope lets through."""
        return self._envelope.max_counts_per_move

    def react(self, dx_counts: int, min_changed: float, pause_s: float) -> tuple[int, int] | None:
        """Turn, and see when the picture changes: (sent, captured) in ns, or None if it does not.

        min_changed: share of the pixels whose change is the view's, and not a sprite's.
        pause_s: between the last frame and the motion, which else would always come just after a frame.
        """
        frame = self._take_after(self._settled_ns)
        before = frame.pixels[::SAMPLE_STEP, ::SAMPLE_STEP, 1].astype(np.int16)
        self._pause(pause_s)
        sent_ns = self._send(dx_counts, 0, frame)
        deadline_ns = sent_ns + round(REACTION_TIMEOUT_S * 1e9)
        while (frame := self._take_after(sent_ns)).captured_ns < deadline_ns:
            after = frame.pixels[::SAMPLE_STEP, ::SAMPLE_STEP, 1]
            if (np.abs(after - before) > MOVED_LEVELS).mean() >= min_changed:
                self._settled_ns = frame.captured_ns + round(REST_S * 1e9)
                return sent_ns, frame.captured_ns
        return None

    def _send(self, dx_counts: int, dy_counts: int, frame: Frame) -> int:
        command = Command(dx_counts, dy_counts, False)
        applied = self._apply(command, frame)
        waits_until_ns = applied.sent_ns + round(FOCUS_PATIENCE_S * 1e9)
        while applied.refusal is Refusal.NO_FOCUS and applied.sent_ns < waits_until_ns:
            applied = self._apply(command, self._take())
        if applied.refusal is Refusal.NOT_ARMED:
            self._envelope.stop()  # a person who goes on afterwards has not asked for the way back
        if applied.refusal is not None:
            raise UserError(
                f"expected to send {dx_counts}, {dy_counts} counts to the game, the envelope says: "
                f"{applied.refusal.value}; leave its window in front and its mouse alone, and calibrate again"
            )
        self.sent_counts += (applied.dx_counts, applied.dy_counts)
        self._settled_ns = applied.sent_ns + round(SETTLE_S * 1e9)
        return applied.sent_ns

    def _apply(self, command: Command, frame: Frame) -> Applied:
        if self._clock() >= self._guarded_until_ns:
            self._ask_guard()
            frame = self._take()  # the last one has grown old meanwhile
        return self._envelope.apply(command, frame.captured_ns)

    def _ask_guard(self) -> None:
        """Stop all output for good where the guard raises."""
        try:
            self._guard()
        except BaseException:
            self._envelope.stop()
            raise
        self._guarded_until_ns = self._clock() + round(GUARD_S * 1e9)

    def _take_after(self, after_ns: int) -> Frame:
        """The newest frame, once there is one that was captured after this time."""
        while (frame := self._take()).captured_ns < after_ns:
            pass
        return frame

    def _take(self) -> Frame:
        frame = self._frames.take(TAKE_TIMEOUT_S)
        if frame is None:
            raise UserError("expected pictures of the game's window, none came; is it still open?")
        return frame
