"""The loop: newest frame, detect, select, steer, move."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from aimbot.aimer import Aimer, AimSettings
from aimbot.governor import TARGET_MS, Governor
from aimbot.hand import HandMotion, NoHand, sum_old
from aimbot.ledger import TimedMove
from aimbot.safety import Applied, Refusal, SafetyEnvelope, SafetySettings
from aimbot.target import Command, Target
from aimbot.telemetry import Stamps, Telemetry
from aimbot.trajectory import Trajectory
from capture.clock import Clock
from capture.frame import Frame, Pixels
from detection.detections import Detections
from detection.detector import Detector

LEAST_POINTER_HZ, MOST_POINTER_HZ = 60, 500
TAKE_TIMEOUT_S = 0.05
WAITING_KEPT_NS = 1_000_000_000
"""The hand's moves are kept one by one for so long while no picture comes."""


class LoopSettings(BaseModel):
    """How old pixels may be when the mouse moves for them, and whether the detector yields to that."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    budget_ms: float = Field(80.0, gt=0, description="a frame older than this moves nothing")
    pointer_hz: int = Field(
        0,
        ge=0,
        le=MOST_POINTER_HZ,
        description="small moves a second between frames, 60 and more; 0: one a frame",
    )
    adaptive: bool = Field(
        False, description="under load detect on fewer threads, then on smaller inputs (detector.fallbacks)"
    )
    target_ms: float = Field(
        TARGET_MS, gt=0, validate_default=True, description="and that is: when frames are older than this"
    )

    @field_validator("pointer_hz")
    @classmethod
    def _check_pointer(cls, pointer_hz: int) -> int:
        if 0 < pointer_hz < LEAST_POINTER_HZ:
            raise ValueError(f"expected 0, or {LEAST_POINTER_HZ} to {MOST_POINTER_HZ}")
        return pointer_hz

    @field_validator("target_ms")
    @classmethod
    def _check_target(cls, target_ms: float, others: ValidationInfo) -> float:
        budget_ms = others.data.get("budget_ms")
        if others.data.get("adaptive") and budget_ms is not None and target_ms > budget_ms:
            raise ValueError(f"expected at most loop.budget_ms, which is {budget_ms:g}")
        return target_ms


@dataclass(frozen=True, slots=True)
class Step:
    """All that was seen, decided and done for one frame; `hand` is what the person did since the last.

    level: of the detector; None where the picture was still the last one, and not looked at again.
    moves: of the pointer between the last frame and this, and `trajectory`, what it is to follow until the
    next; None where the whole motion is in the command.
    """

    frame: Frame
    hand: tuple[TimedMove, ...]
    detections: Detections
    target: Target | None
    command: Command
    applied: Applied
    stamps: Stamps
    level: int | None = 0
    moves: tuple[TimedMove, ...] | None = None
    trajectory: Trajectory | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """New settings for a running loop."""

    aim: AimSettings
    safety: SafetySettings
    budget_ms: float
    target_ms: float = TARGET_MS


class Mailbox(Protocol):
    """Where the newest frame waits."""

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame not taken yet, or None after `timeout_s`."""


class Follower(Protocol):
    """Moves the pointer along a trajectory between frames."""

    def take(self) -> list[TimedMove]:
        """Pause, and hand over what was applied since the last call."""

    def follow(self, trajectory: Trajectory | None) -> None:
        """Go on along this one; None: come to rest."""


class AimLoop:
    """One thread that turns frames into mouse motion."""

    def __init__(
        self,
        detector: Detector,
        aimer: Aimer,
        envelope: SafetyEnvelope,
        telemetry: Telemetry,
        clock: Clock,
        hand: HandMotion | None = None,
        governor: Governor | None = None,
        follower: Follower | None = None,
    ) -> None:
        """Without a `hand` the person's own motion is not known; `governor` sets the detector's level.

        Without a `follower` each frame's motion is one move, sent at once.
        """
        self._detector, self._aimer, self._envelope = detector, aimer, envelope
        self._telemetry, self._clock = telemetry, clock
        self._hand = hand or NoHand()
        self._governor = governor or Governor()
        self._follower = follower
        self._waiting: list[TimedMove] = []  # moves that no frame has been decided with
        self._moves: list[TimedMove] = []  # of the follower, likewise
        self._change: Change | None = None
        self._seen: tuple[Pixels, Detections] | None = None

    def run(self, frames: Mailbox, finished: Callable[[], bool], observe: Callable[[Step], None]) -> None:
        """Process the newest frame until `finished()` or the source ends; `observe` must not block."""
        while not finished():
            frame = frames.take(TAKE_TIMEOUT_S)
            if frame is not None:
                observe(self.step(frame))
            elif frames.ended:
                break
            else:
                self._envelope.rest()
                self._take_moves()
                if self._follower is not None:
                    self._follower.follow(None)  # at rest, else the next way would begin with a jump
                moves = [*self._waiting, *self._hand.take()]  # else they pile up in the system
                self._waiting = sum_old(moves, self._clock() - WAITING_KEPT_NS)

    def step(self, frame: Frame) -> Step:
        """Process one frame."""
        self._take_change()
        taken_ns, level = self._clock(), self._governor.level
        is_new, detections = self._detect(frame)
        detected_ns = self._clock()
        moves, hand = self._enter_moves(), self._follow_hand()
        target = self._aimer.select(frame, detections)
        selected_ns = self._clock()
        command, trajectory = self._steer(frame, target, selected_ns)
        steered_ns = self._clock()
        applied = self._envelope.apply(command, frame.captured_ns)
        moved_ns = self._clock()
        self._aimer.applied(applied.sent_ns, applied.dx_counts, applied.dy_counts, applied.fire)
        self._hand.sent(applied.dx_counts, applied.dy_counts)
        if applied.refused:
            self._aimer.reset()
        if self._follower is not None:
            self._follower.follow(None if applied.refused else trajectory)
        if is_new:
            self._governor.note(applied.sent_ns - frame.captured_ns, applied.sent_ns)
        stamps = Stamps(frame.captured_ns, taken_ns, detected_ns, selected_ns, steered_ns, moved_ns)
        self._telemetry.add(
            stamps,
            late=applied.refusal is Refusal.STALE,
            target=target is not None,
            moved=bool(applied.dx_counts or applied.dy_counts or moves),
            level=level,
        )
        level_used = level if is_new else None
        return Step(frame, hand, detections, target, command, applied, stamps, level_used, moves, trajectory)

    def _detect(self, frame: Frame) -> tuple[bool, Detections]:
        """The detector's answer, or the last one again where the source says that the picture is the same."""
        if self._seen is not None and self._seen[0] is frame.pixels:
            return False, self._seen[1]
        self._seen = (frame.pixels, self._detector.detect(frame))
        return True, self._seen[1]

    def _steer(self, frame: Frame, target: Target | None, now_ns: int) -> tuple[Command, Trajectory | None]:
        """The command for this frame, and what the follower is to do until the next one."""
        if self._follower is None:
            return self._aimer.steer(frame, target, now_ns), None
        return self._aimer.plan(frame, target, now_ns)

    def _take_moves(self) -> None:
        """Pause the follower; the hand's listener has to know its moves before it reads on."""
        taken = self._follower.take() if self._follower is not None else []
        for move in taken:
            self._hand.sent(move.dx_counts, move.dy_counts)
        self._moves += taken

    def _enter_moves(self) -> tuple[TimedMove, ...] | None:
        """Enter the follower's moves since the last frame, and return them."""
        self._take_moves()
        moves, self._moves = tuple(self._moves), []
        self._aimer.turned(moves)
        return moves if self._follower is not None else None

    def _follow_hand(self) -> tuple[TimedMove, ...]:
        """Enter the person's moves since the last frame, and return them."""
        moves, self._waiting = (*self._waiting, *self._hand.take()), []
        self._aimer.turned(moves)
        return moves

    def change(self, change: Change) -> None:
        """Take new settings before the next frame; callable from any thread."""
        self._change = change

    def _take_change(self) -> None:
        change, self._change = self._change, None
        if change is not None:
            self._aimer.apply_settings(change.aim)
            self._envelope.apply_settings(change.safety, change.budget_ms)
            self._governor.aim_for(change.target_ms)
