"""FP32 deploy ONNX to INT8: calibrate on recorded frames, quantize, and hand over only what still sees."""

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError, missing_package
from capture.frame import Frame
from converters.calibrate import Method, Range, collect_ranges
from converters.onnx import save_model, write_metadata
from converters.qdq import (
    QdqScheme,
    activation_tensors,
    first_convolution,
    head_convolutions,
    image_tensors,
    insert_qdq,
    quantized_convolutions,
)
from converters.sensitivity import rank_convolutions
from detection.detector import BackendName, DetectorSettings, open_detector
from detection.onnx_file import read_metadata, read_onnx
from detection.preprocess import Canvas
from detection.training.dataset import Dataset
from detection.training.evaluate import Track, evaluate, settings_for_evaluation

FEWEST_FRAMES = 32
MOST_FRAMES = 512  # they are held in memory, 0.9 MB each at 640x480
MAX_DROP = 0.5  # points of mAP50, hundredths
KEPT_FLOAT = (0, 1, 2, 4, 8)
"""Convolutions to leave in float, one count after the other, until the gate is content."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """An FP32 deploy graph with the ranges of its activations, from which INT8 copies are made."""

    graph: Any
    images: Sequence[NDArray[np.uint8]]
    ranges: dict[str, Range]
    method: Method

    def quantize(self, scheme: QdqScheme) -> Any:
        """An INT8 copy, with its scheme and calibration in the metadata.

        The image keeps all of 0 to 255 whatever was calibrated: in unsigned bytes it loses nothing.
        """
        image = dict.fromkeys(image_tensors(self.graph.graph), (0.0, 255.0))
        quantized = insert_qdq(self.graph, {**self.ranges, **image}, scheme)
        calibration = f"{self.method} on {len(self.images)} frames"
        told = {"precision": "int8", "quantization": json.dumps(asdict(scheme)), "calibration": calibration}
        write_metadata(quantized, told)
        return quantized


@dataclass(frozen=True, slots=True)
class Candidate:
    """An INT8 copy, the convolutions that it leaves in float for their sensitivity, and its mAP50."""

    model: Any
    kept_float: tuple[str, ...]
    map50: float | None


def convert_int8(
    model: Path,
    frames: Iterable[Frame],
    out: Path,
    validation: Dataset | None = None,
    method: Method = "percentile",
    max_drop: float = MAX_DROP,
    force: bool = False,
    keep_float: int | None = None,
    scheme: QdqScheme | None = None,
    backend: BackendName = "auto",
    track: Track = iter,
) -> dict[str, Any]:
    """Write an INT8 model and return FP32's and INT8's mAP50 on the validation frames.

    So many of the most sensitive convolutions stay in float as `keep_float` says, or, where it is None, as
    the gate needs, of KEPT_FLOAT. Returns map50_fp32, map50_int8, drop (in points, hundredths of mAP50),
    calibration, frames, kept_float (names), written. The figures are None without `validation`. A drop above
    `max_drop` writes nothing unless forced. UserError for a model that is not an FP32 deploy ONNX, finds
    nothing or has nothing to quantize, for too few frames, and for a missing package.
    """
    graph = load_fp32(model)
    scheme = scheme or default_scheme(graph)
    counts = plan_counts(graph, scheme, keep_float, model)
    calibrated = calibrate(graph, prepare_images(graph, frames), method, scheme, track)
    before = measure_fp32(model, validation, backend, track) if validation else None
    tried: list[Candidate] = []
    ranking: list[str] = []
    for count in counts:
        if count and not ranking:
            ranked = rank_convolutions(graph, calibrated.quantize, scheme, calibrated.images, backend, track)
            ranking = [name for name, _ in ranked]
        kept = tuple(ranking[:count])
        quantized = calibrated.quantize(replace(scheme, skip=(*scheme.skip, *kept)))
        map50 = measure_copy(quantized, validation, backend, track) if validation else None
        tried.append(Candidate(quantized, kept, map50))
        if before is None or map50 is None or 100 * (before - map50) <= max_drop:
            break
    best = max(tried, key=lambda candidate: candidate.map50 or 0.0)
    drop = None if before is None or best.map50 is None else 100 * (before - best.map50)
    written = force or drop is None or drop <= max_drop
    if written:
        save_model(best.model, out)
    return {
        "map50_fp32": before,
        "map50_int8": best.map50,
        "drop": drop,
        "calibration": method,
        "frames": len(calibrated.images),
        "kept_float": list(best.kept_float),
        "written": written,
    }


def default_scheme(graph: Any, symmetric: bool = False) -> QdqScheme:
    """What lost least and ran fastest here: unsigned activations, weights that no processor saturates.

    The heads stay in float: they are a hundredth of the arithmetic, and their output is coordinates. So
    does the first convolution where activations are symmetric: pixels would lose a bit.
    """
    heads = head_convolutions(graph.graph)
    if symmetric:
        return QdqScheme(symmetric=True, weights="full", skip=(first_convolution(graph.graph), *heads))
    return QdqScheme(weights="paired", skip=heads)


def plan_counts(graph: Any, scheme: QdqScheme, keep_float: int | None, model: Path) -> tuple[int, ...]:
    """How many sensitive convolutions to leave in float, to be tried in turn.

    UserError if none would be left for INT8.
    """
    most = len(quantized_convolutions(graph.graph, scheme))
    if most == 0:
        raise UserError(f"expected convolutions other than the heads to quantize, {model} has none; use FP32")
    if keep_float is None:
        return tuple(count for count in KEPT_FLOAT if count < most)
    if keep_float >= most:
        raise UserError(
            f"expected --keep-float to leave some of the {most} convolutions to INT8, got {keep_float}"
        )
    return (keep_float,)


def calibrate(
    graph: Any, images: Sequence[NDArray[np.uint8]], method: Method, scheme: QdqScheme, track: Track = iter
) -> Calibrated:
    """Measure an FP32 deploy graph's activations on images as the network takes them."""
    tensors = list(activation_tensors(graph.graph, scheme))
    levels = 128 if scheme.symmetric else 256
    ranges = collect_ranges(graph, images, tensors, [method], levels, track)[method]
    return Calibrated(graph, images, ranges, method)


def load_fp32(path: Path) -> Any:
    """The ONNX model of an FP32 deploy file; UserError if it is another kind of file, or INT8 already."""
    try:
        import onnxruntime  # noqa: F401  # the calibration needs it; say so before any work is done
    except ImportError as error:
        raise missing_package("converting", error.name, "convert") from error
    model = read_onnx(path)
    metadata = read_metadata(model)
    if metadata.get("precision") != "fp32" or "darknet_cfg" not in metadata:
        found = f"{metadata['precision']}" if "precision" in metadata else "one without its metadata"
        raise UserError(f"expected an FP32 model made by `run_aimbot.py convert onnx`, {path} is {found}")
    return model


def prepare_images(model: Any, frames: Iterable[Frame]) -> list[NDArray[np.uint8]]:
    """Frames as the network takes them, uint8 (1, H, W, 3 or 4); UserError if there are too few."""
    sizes = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    _, height, width, channels = sizes
    return place_frames(frames, Canvas((width, height), channels=channels))


def place_frames(frames: Iterable[Frame], canvas: Canvas) -> list[NDArray[np.uint8]]:
    """Copies of frames as a network takes them; UserError if there are too few to calibrate on.

    Of more than MOST_FRAMES at least the half of so many, spread evenly over all.
    """
    images: list[NDArray[np.uint8]] = []
    step = 1
    for number, frame in enumerate(frames):
        if len(images) == MOST_FRAMES:
            images, step = images[::2], 2 * step
        if number % step == 0:
            images.append(canvas.place(frame).copy())
    if len(images) < FEWEST_FRAMES:
        raise UserError(f"expected at least {FEWEST_FRAMES} frames to calibrate on, got {len(images)}")
    return images


def measure_fp32(model: Path, validation: Dataset, backend: BackendName, track: Track) -> float:
    """mAP50 before any rounding; UserError if the model finds nothing, for then nothing can be lost."""
    map50 = evaluate_model(model, validation, backend, track)
    if map50 <= 0:
        raise UserError(
            f"expected an FP32 model that finds something on the validation frames, {model} does not"
        )
    return map50


def measure_copy(quantized: Any, validation: Dataset, backend: BackendName, track: Track) -> float:
    """mAP50 of a model that is not in a file yet."""
    with tempfile.TemporaryDirectory() as folder:
        candidate = save_model(quantized, Path(folder) / "int8.onnx")
        return evaluate_model(candidate, validation, backend, track)


def evaluate_model(model: Path, validation: Dataset, backend: BackendName, track: Track) -> float:
    """COCO mAP50 of a model file on labelled frames."""
    settings = settings_for_evaluation(DetectorSettings(model=str(model), backend=backend))
    detector = open_detector(settings)
    try:
        return float(evaluate(detector, validation, model.stem, track=track)["map50"])
    finally:
        detector.close()
