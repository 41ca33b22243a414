"""`convert int8`: FP32 to INT8, behind a gate on mAP50."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from aimbot.commands.common import check_suffix, open_recording, show_progress, stderr
from aimbot.replaying import iterate_frames
from capture.errors import UserError
from detection.detector import find_model

if TYPE_CHECKING:
    from converters.calibrate import Method


def convert_to_int8(
    model: str,
    calibration: Path,
    validation: Path | None,
    method: "Method",
    max_drop: float | None,
    force: bool,
    keep_float: int | None,
    out: Path,
) -> dict[str, Any]:
    """FP32 ONNX to INT8, gated on validation frames; UserError if the gate refuses it.

    The table of both goes to stderr, whatever the gate says of it.
    """
    from converters.int8 import MAX_DROP, convert_int8
    from detection.training.formats import read_dataset

    check_suffix(out, ".onnx")
    if validation is None and (force or max_drop is not None):
        given = "--force" if max_drop is None else f"--max-drop {max_drop:g}"
        raise UserError(f"expected --validation LABELS with {given}, which is of its gate, got none; add it")
    max_drop = MAX_DROP if max_drop is None else max_drop
    recording = open_recording(calibration)
    try:
        result = convert_int8(
            find_model(model),
            iterate_frames(recording),
            out,
            read_dataset(validation, split="validation") if validation else None,
            method,
            max_drop,
            force,
            keep_float,
            track=show_progress("converting"),
        )
    finally:
        recording.close()
    if result["drop"] is not None:
        stderr.print(tabulate_gate(result))
    if not result["written"]:
        raise UserError(
            f"expected a drop of at most {max_drop} points of mAP50, got {result['drop']:.2f}; nothing was "
            "written: try another --method or more frames, or --force"
        )
    return {"out": str(out), **result}


def tabulate_gate(result: dict[str, Any]) -> Table:
    """What FP32 and INT8 see of the validation frames."""
    table = Table(title="mAP50 on the validation frames")
    for name in ("FP32", "INT8", "points lost", "left in float"):
        table.add_column(name, justify="right")
    kept = ", ".join(result["kept_float"]) or "the heads alone"
    table.add_row(f"{result['map50_fp32']:.4f}", f"{result['map50_int8']:.4f}", f"{result['drop']:.2f}", kept)
    return table
