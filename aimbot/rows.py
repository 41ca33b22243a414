"""A step of the loop as a row of a session, and back."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from aimbot.ledger import TimedMove
from aimbot.loop import Step
from aimbot.safety import Gates
from aimbot.target import Command, Target
from aimbot.trajectory import Trajectory
from detection.detections import Detections


def encode_step(step: Step) -> dict[str, Any]:
    """The row that the recorder adds to frame_id, captured_ns and region."""
    between = {}
    if step.moves is not None:
        between = {"moves": encode_moves(step.moves), "trajectory": encode_trajectory(step.trajectory)}
    return {
        "decided_ns": step.stamps.selected_ns,
        "sent_ns": step.applied.sent_ns,
        "gates": asdict(step.applied.gates),
        "hand": encode_moves(step.hand),
        "detections": encode_detections(step.detections),
        "target": encode_target(step.target),
        "command": encode_command(step.command),
        "applied": {
            "dx_counts": step.applied.dx_counts,
            "dy_counts": step.applied.dy_counts,
            "fire": step.applied.fire,
            "refusal": step.applied.refusal,
        },
        "stage_ms": step.stamps.durations_ms(),
        "level": step.level,
        **between,
    }


def encode_moves(moves: Iterable[TimedMove]) -> list[list[int]]:
    """Time and counts of each move."""
    return [[move.time_ns, move.dx_counts, move.dy_counts] for move in moves]


def decode_moves(row: Mapping[str, Any], whose: Literal["hand", "moves"]) -> list[TimedMove]:
    """What the person's mouse did between the last frame and a row's, or the pointer; none, if nothing."""
    return [TimedMove(*move) for move in row.get(whose, [])]


def encode_trajectory(trajectory: Trajectory | None) -> dict[str, Any] | None:
    """What of it is decided anew for each frame; JSON types, rounded as a target's."""
    if trajectory is None:
        return None
    return {
        "way_counts": [round(value, 6) for value in trajectory.way_counts],
        "velocity_counts_per_s": [round(value, 6) for value in trajectory.velocity_counts_per_s],
    }


def encode_detections(detections: Detections) -> dict[str, Any]:
    """Lists, exact for float32."""
    return {
        "xyxy_px": detections.xyxy_px.tolist(),
        "confidence": detections.confidence.tolist(),
        "class_id": detections.class_id.tolist(),
    }


def decode_detections(row: Mapping[str, Any]) -> Detections:
    """The inverse of `encode_detections`."""
    return Detections(
        np.asarray(row["xyxy_px"], np.float32).reshape(-1, 4),
        np.asarray(row["confidence"], np.float32),
        np.asarray(row["class_id"], np.int32),
    )


def encode_target(target: Target | None) -> dict[str, Any] | None:
    """JSON types; numbers rounded to 1e-6, far below a count."""
    if target is None:
        return None

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return round(value, 6) if isinstance(value, float) else value

    return {key: plain(value) for key, value in asdict(target).items()}


def encode_command(command: Command) -> dict[str, Any]:
    """JSON types."""
    return asdict(command)


def decode_gates(row: Mapping[str, Any]) -> Gates:
    """The gates that a decision was made under."""
    return Gates(bool(row["armed"]), bool(row["focused"]))
