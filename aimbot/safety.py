"""The safety envelope: the only way from the controller to the pointer."""

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import RLock
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from aimbot.pointer import Pointer
from aimbot.target import Command
from capture.clock import Clock

SECOND_NS = 1_000_000_000


class SafetySettings(BaseModel):
    """Caps that hold whatever the controller asks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_counts_per_move: int = Field(600, gt=0, le=32_767, description="length of a frame's moves, in counts")
    max_counts_per_s: int = Field(12_000, gt=0, description="summed length of the moves of one second")
    require_focus: bool = Field(True, description="send only while the chosen window has the focus")
    allow_fire: bool = True


class Refusal(StrEnum):
    """Why a command was not carried out, or not in full."""

    NOT_ARMED = "not_armed"
    NO_FOCUS = "no_focus"
    STALE = "stale"
    STOPPED = "stopped"
    NOT_FINITE = "not_finite"
    CAP_PER_MOVE = "cap_per_move"
    CAP_PER_S = "cap_per_s"
    FIRE_NOT_ALLOWED = "fire_not_allowed"
    LET_GO = "let_go"


CLIPPED = frozenset({Refusal.CAP_PER_MOVE, Refusal.CAP_PER_S, Refusal.FIRE_NOT_ALLOWED, Refusal.LET_GO})
"""Refusals that let a part of the command through."""


@dataclass(frozen=True, slots=True)
class Gates:
    """The facts that a decision of the envelope rests on; recorded, so that a replay decides alike."""

    armed: bool
    focused: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """What the pointer did, when, and why it was less than was asked; in a dry run that is nothing.

    fire: the button is down.
    """

    dx_counts: int
    dy_counts: int
    fire: bool
    sent_ns: int
    gates: Gates
    refusal: Refusal | None = None

    @property
    def refused(self) -> bool:
        """Whether nothing was let through: the controller then has to start afresh."""
        return self.refusal is not None and self.refusal not in CLIPPED


class SafetyEnvelope:
    """Lets counts through only while armed, focused, fresh and under the caps; counts what it refuses."""

    def __init__(
        self,
        pointer: Pointer,
        settings: SafetySettings,
        budget_ms: float,
        clock: Clock,
        gates: Callable[[], Gates],
    ) -> None:
        """`gates` is asked at every command; `budget_ms` is the oldest frame that may move the mouse."""
        self._pointer, self._clock, self._gates = pointer, clock, gates
        self._settings, self._budget_ns = settings, round(budget_ms * 1e6)
        self._sent: deque[tuple[int, float]] = deque()
        self._pressed, self._pressed_ns = False, 0
        self._was_let_go = False  # between two commands
        self._stopped = self._closed = False
        self._lock = RLock()  # the listener's thread stops, housekeeping's lets go
        self.refusals: Counter[Refusal] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def max_counts_per_move(self) -> int:
        """The length that no move exceeds."""
        return self._settings.max_counts_per_move

    @property
    def budget_ns(self) -> int:
        """The age of the oldest frame that may move the mouse."""
        return self._budget_ns

    def apply_settings(self, settings: SafetySettings, budget_ms: float) -> None:
        """Take new caps; what was sent within the last second still counts."""
        self._settings, self._budget_ns = settings, round(budget_ms * 1e6)

    def apply(self, command: Command, captured_ns: int) -> Applied:
        """Carry the command out as far as it is allowed.

        captured_ns: when the frame that it rests on was taken.
        """
        with self._lock:
            now_ns = self._clock()
            gates = self._gates()
            refusal = self._check(command, captured_ns, now_ns, gates)
            if refusal is not None:
                applied = self._refuse(refusal, now_ns, gates)
            else:
                applied = self._send(command, now_ns, gates)
            self._was_let_go = False
            return applied

    def move_on(self, move: Command, captured_ns: int, moved_counts: float) -> Applied:
        """Carry out one of many small moves for a frame; the button stays as it is, but for a refusal.

        moved_counts: the length of those before. Together they are no longer than one move may be.
        """
        with self._lock:
            now_ns, gates = self._clock(), self._gates()
            refusal = self._check(move, captured_ns, now_ns, gates)
            if refusal is not None:
                self._was_let_go = self._was_let_go or self._pressed
                return self._refuse(refusal, now_ns, gates)
            dx, dy, clipped = self._cap(move, now_ns, moved_counts)
            dx, dy = self._move(dx, dy, now_ns)
            if clipped:
                self.refusals[clipped] += 1
            return Applied(dx, dy, self._pressed, now_ns, gates, clipped)

    def rest(self) -> None:
        """Release the button while there is nothing to do, as when no new frame comes.

        A press that was let go so is over: the next command does not begin it again.
        """
        with self._lock:
            self._was_let_go = self._was_let_go or self._pressed
            self._set_button(False)

    def release_late(self, longest_s: float) -> None:
        """Release a button that is down for longer than this, or while the gates are closed.

        For another thread: the loop's own may wait for a slow detector, and come to no command.
        """
        with self._lock:
            if not self._pressed:
                return
            is_late = self._clock() - self._pressed_ns > longest_s * 1e9
            if is_late or self._find_closed(self._gates()) is not None:
                self.rest()

    def stop(self) -> None:
        """Stop all output for good and release the button: the panic key, or a protected game."""
        with self._lock:
            self._stopped = True
            self._set_button(False)

    def close(self) -> None:
        """Stop, and close the pointer; safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.stop()
            self._pointer.close()

    def _check(self, command: Command, captured_ns: int, now_ns: int, gates: Gates) -> Refusal | None:
        if self._stopped:
            return Refusal.STOPPED
        if (closed := self._find_closed(gates)) is not None:
            return closed
        if not 0 <= now_ns - captured_ns <= self._budget_ns:
            return Refusal.STALE
        if not (math.isfinite(command.dx_counts) and math.isfinite(command.dy_counts)):
            return Refusal.NOT_FINITE
        return None

    def _find_closed(self, gates: Gates) -> Refusal | None:
        if not gates.armed:
            return Refusal.NOT_ARMED
        if self._settings.require_focus and not gates.focused:
            return Refusal.NO_FOCUS
        return None

    def _send(self, command: Command, now_ns: int, gates: Gates) -> Applied:
        dx, dy, clipped = self._cap(command, now_ns)
        fire = command.fire and self._settings.allow_fire
        if command.fire and not fire:
            clipped = Refusal.FIRE_NOT_ALLOWED
        elif clipped and not self._pressed:
            fire = False  # it was to be fired where the whole move ends
        elif fire and self._was_let_go:
            fire, clipped = False, Refusal.LET_GO
        dx, dy = self._move(dx, dy, now_ns)
        self._set_button(fire)
        if clipped:
            self.refusals[clipped] += 1
        return Applied(dx, dy, self._pressed, now_ns, gates, clipped)

    def _move(self, dx: int, dy: int, now_ns: int) -> tuple[int, int]:
        if dx or dy:
            dx, dy = self._pointer.move(dx, dy)
            self._sent.append((now_ns, math.hypot(dx, dy)))
        return dx, dy

    def _refuse(self, refusal: Refusal, now_ns: int, gates: Gates) -> Applied:
        self._set_button(False)
        self.refusals[refusal] += 1
        return Applied(0, 0, False, now_ns, gates, refusal)

    def _cap(self, command: Command, now_ns: int, moved: float = 0.0) -> tuple[int, int, Refusal | None]:
        """Shorten the move to both caps, keeping its direction."""
        while self._sent and now_ns - self._sent[0][0] >= SECOND_NS:
            self._sent.popleft()
        left = self._settings.max_counts_per_s - sum(length for _, length in self._sent)
        length = math.hypot(command.dx_counts, command.dy_counts)
        left_of_move = self._settings.max_counts_per_move - moved
        allowed = max(min(left_of_move, left), 0.0)
        if length <= allowed:
            return command.dx_counts, command.dy_counts, None
        scale = allowed / length
        reason = Refusal.CAP_PER_MOVE if left_of_move <= left else Refusal.CAP_PER_S
        return math.trunc(command.dx_counts * scale), math.trunc(command.dy_counts * scale), reason

    def _set_button(self, down: bool) -> None:
        # It counts as down from before the press until after the release: a signal may come between.
        if down and not self._pressed:
            self._pressed, self._pressed_ns = True, self._clock()
            self._pressed = self._pointer.press()
        elif not down and self._pressed:
            self._pointer.release()
            self._pressed = False
