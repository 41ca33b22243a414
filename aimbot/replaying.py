"""Replay a recording through the same loop, and compare with what was decided then."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aimbot.aimer import Aimer, AimSettings
from aimbot.governor import Governor
from aimbot.hand import NoHand
from aimbot.ledger import TimedMove
from aimbot.loop import AimLoop, Step
from aimbot.pointer import NullPointer
from aimbot.rows import (
    decode_detections,
    decode_gates,
    decode_moves,
    encode_command,
    encode_detections,
    encode_target,
    encode_trajectory,
)
from aimbot.safety import Gates, SafetyEnvelope, SafetySettings
from aimbot.telemetry import Telemetry
from aimbot.trajectory import Trajectory
from capture.clock import monotonic_ns
from capture.frame import Frame, Pixels
from capture.source import FrameSource
from detection.detections import Detections, no_detections
from detection.detector import Detector

MISMATCHES_KEPT = 10
TOLERANCE = 1e-5


class RecordedDetector:
    """Answers with the detections of the session's rows, so that a replay of the aim needs no network."""

    def __init__(self, rows: Mapping[int, Mapping[str, Any]], class_names: Sequence[str]) -> None:
        """`rows`: the session's rows by frame_id."""
        self._rows = rows
        self.class_names = tuple(class_names)
        self.input_size_wh = (0, 0)

    def detect(self, frame: Frame) -> Detections:
        """The recorded detections of this frame; none where the row has none."""
        found = self._rows[frame.frame_id].get("detections")
        return decode_detections(found) if found else no_detections()

    def close(self) -> None:
        """Nothing to give back."""


class RecordedAimer(Aimer):
    """Enters what was applied in the recording: its pictures show those counts and no others."""

    recorded: tuple[int, int, bool] | None = None

    def applied(self, sent_ns: int, dx_counts: int, dy_counts: int, fire: bool = False) -> None:
        """What was recorded, or what is given where nothing is."""
        super().applied(sent_ns, *(self.recorded or (dx_counts, dy_counts, fire)))


class RecordedHand(NoHand):
    """Moves as the person did in the recording."""

    moves: Sequence[TimedMove] = ()

    def take(self) -> list[TimedMove]:
        """The moves of the present row."""
        return list(self.moves)


class RecordedFollower:
    """Moves between frames as the pointer did in the recording, whatever it is to follow."""

    moves: Sequence[TimedMove] = ()

    def take(self) -> list[TimedMove]:
        """The moves of the present row."""
        return list(self.moves)

    def follow(self, trajectory: Trajectory | None) -> None:
        """Does nothing."""


class AcceptingPointer(NullPointer):
    """Moves nothing, and takes every move and press for applied."""

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        """The counts that were asked for."""
        return dx_counts, dy_counts

    def press(self) -> bool:
        """As if it were down."""
        return True


class Replayer:
    """The live loop over recorded frames; time and gates come from the recording where it has them."""

    def __init__(
        self,
        detector: Detector,
        aim: AimSettings,
        safety: SafetySettings,
        budget_ms: float,
        governor: Governor | None = None,
        is_spread: bool = False,
    ) -> None:
        """`governor`: sets the level of a detector that has several; `is_spread`: the rows have moves
        between frames.
        """
        self._decided_ns = self._sent_ns = 0
        self._gates = Gates(armed=True, focused=True)
        self.telemetry = Telemetry()
        self._aimer = RecordedAimer(aim, detector.class_names)
        self.envelope = SafetyEnvelope(
            AcceptingPointer(), safety, budget_ms, lambda: self._sent_ns, lambda: self._gates
        )
        self._detector = detector
        self._hand, self._follower = RecordedHand(), RecordedFollower()
        self._governor = governor or Governor()
        self._pixels: Pixels | None = None
        self._loop = AimLoop(
            self,
            self._aimer,
            self.envelope,
            self.telemetry,
            lambda: self._decided_ns,
            self._hand,
            self._governor,
            self._follower if is_spread else None,
        )
        self.class_names, self.input_size_wh = detector.class_names, detector.input_size_wh

    def detect(self, frame: Frame) -> Detections:
        """The detector's answer; without a recorded decision time, its real duration passes."""
        started_ns = monotonic_ns()
        found = self._detector.detect(frame)
        if self._decided_ns == frame.captured_ns:
            self._decided_ns = self._sent_ns = frame.captured_ns + monotonic_ns() - started_ns
        return found

    def close(self) -> None:
        """Close the envelope."""
        self.envelope.close()

    def step(self, frame: Frame, row: Mapping[str, Any] | None) -> Step:
        """Process one frame as it was processed then, by its `row`, or as if live, without one."""
        self._hand.moves, self._follower.moves = (
            decode_moves(row or {}, "hand"),
            decode_moves(row or {}, "moves"),
        )
        if row is not None and "decided_ns" in row:
            self._decided_ns, self._sent_ns = row["decided_ns"], row["sent_ns"]
            self._gates = decode_gates(row["gates"])
            applied = row["applied"]
            self._aimer.recorded = (applied["dx_counts"], applied["dy_counts"], applied["fire"])
        else:
            self._decided_ns = self._sent_ns = frame.captured_ns
            self._aimer.recorded = None
        if self._pixels is not None and row is not None and row.get("level", 0) is None:
            frame = replace(frame, pixels=self._pixels)  # the same array, as it was then
        self._pixels = frame.pixels
        step = self._loop.step(frame)
        self._follow_level(step, row)
        return step

    def _follow_level(self, step: Step, row: Mapping[str, Any] | None) -> None:
        """Be on the recording's level again after a difference, so that it is one and not all that follow."""
        recorded = row.get("level") if row is not None else None
        if recorded is not None and recorded != step.level:
            self._governor.go_to(recorded, self._sent_ns)


def iterate_frames(source: FrameSource) -> Iterator[Frame]:
    """The source's frames until it is over."""
    while (frame := source.grab()) is not None:
        yield frame


def compare_step(step: Step, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs from the recorded row; durations are not compared."""
    pairs = [
        ("detections", row.get("detections"), encode_detections(step.detections)),
        ("target", row.get("target"), encode_target(step.target)),
        ("command", row.get("command"), encode_command(step.command)),
        ("trajectory", row.get("trajectory"), encode_trajectory(step.trajectory)),
        ("level", row.get("level"), step.level),
    ]
    return [
        {"frame_id": step.frame.frame_id, "stage": stage, "expected": expected, "got": got}
        for stage, expected, got in pairs
        if stage in row and not _same(expected, got)
    ]


def replay_frames(
    recorded: Iterable[Frame],
    replayer: Replayer,
    rows: Mapping[int, Mapping[str, Any]],
    observe: Callable[[Step], None],
) -> dict[str, Any]:
    """Replay all frames; returns the JSON object of `replay --json`.

    rows: the session's rows by frame_id; empty for a video or an image folder.
    """
    started_ns = monotonic_ns()
    frames, decisions = 0, 0
    mismatches: list[dict[str, Any]] = []
    differing = 0
    for frame in recorded:
        row = rows.get(frame.frame_id)
        step = replayer.step(frame, row)
        frames += 1
        decisions += step.target is not None
        if row is not None:
            found = compare_step(step, row)
            differing += bool(found)
            mismatches += found[: MISMATCHES_KEPT - len(mismatches)]
        observe(step)
    elapsed_s = (monotonic_ns() - started_ns) / 1e9
    return {
        "frames": frames,
        "decisions": decisions,
        "late": replayer.telemetry.counts["late"],
        "fps": round(frames / elapsed_s, 2) if elapsed_s else 0.0,
        "frames_differing": differing,
        "mismatches": mismatches,
    }


def _same(expected: Any, got: Any) -> bool:
    """Equal, with numbers compared within the rounding of the recording."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(_same(expected[key], got[key]) for key in expected)
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(_same, expected, got))
    if isinstance(expected, float) or isinstance(got, float):
        if not (isinstance(expected, int | float) and isinstance(got, int | float)):
            return False
        return abs(expected - got) <= TOLERANCE * max(1.0, abs(expected))
    return bool(expected == got)
