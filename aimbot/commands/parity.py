"""`convert parity`: two models on the same frames."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from aimbot.commands.common import (
    CountedFrames,
    open_recording,
    shipped_recording,
    show_progress,
    stderr,
)
from capture.errors import UserError
from detection.detector import DetectorSettings, YoloDetector, open_detector


def compare_models(
    first: str, second: str, source: Path | None, settings: DetectorSettings
) -> dict[str, Any]:
    """What each model is, and how far the two agree on all frames of a source; see `compare_detectors`.

    UserError for models of different classes, a source without frames, and frames in which neither finds
    anything, for then nothing was compared.
    """
    from converters.parity import compare_detectors

    path = source or shipped_recording()
    with ExitStack() as stack:
        recording = stack.enter_context(closing(open_recording(path)))
        one, other = (stack.enter_context(closing(_open(model, settings))) for model in (first, second))
        if one.class_names != other.class_names:
            raise UserError(
                f"expected two models of the same classes, got {_list_names(one)} in {first} and "
                f"{_list_names(other)} in {second}"
            )
        agreement = compare_detectors(one, other, CountedFrames(recording, show_progress("comparing")))
        models = {"a": _describe(first, one), "b": _describe(second, other)}
    if not agreement["frames"]:
        raise UserError(f"expected a source with frames, {path} has none")
    if not agreement["boxes_a"] + agreement["boxes_b"]:
        raise UserError(
            f"expected frames in which the models see something, neither found a box in {path}; name another "
            "--source, or --set detector.confidence=0.01"
        )
    return {**models, "source": str(path), **agreement}


def explain_shortfall(result: dict[str, Any], min_matched: float | None, min_iou: float | None) -> str | None:
    """What of the two floors does not hold; None if both do. Without matched boxes no overlap holds."""
    iou = result["iou"]["mean"] if result["iou"] else 0.0
    if min_matched is not None and result["matched_share"] < min_matched:
        return f"expected a matched share of at least {min_matched}, got {result['matched_share']:.4f}"
    if min_iou is not None and iou < min_iou:
        return f"expected a mean IoU of at least {min_iou}, got {iou:.4f}"
    return None


def print_shortfall(reason: str) -> None:
    """One line on stderr."""
    stderr.print(f"error: {reason}", markup=False, soft_wrap=True)


def _open(model: str, settings: DetectorSettings) -> YoloDetector:
    return open_detector(settings.model_copy(update={"model": model}))


def _describe(model: str, detector: YoloDetector) -> dict[str, Any]:
    return {
        "model": model,
        "backend": detector.backend.name,
        "precision": detector.precision,
        "size": "x".join(map(str, detector.input_size_wh)),
    }


def _list_names(detector: YoloDetector) -> str:
    names = detector.class_names
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
