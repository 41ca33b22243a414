"""FP32 deploy ONNX to INT8: calibrate on recorded frames, quantize, and hand over only what still sees."""

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError, missing_package
from capture.frame import Frame
from converters.calibrate import Method, Range, collect_ranges
from converters.onnx import read_onnx, save_model, write_metadata
from converters.qdq import (
    QdqScheme,
    activation_tensors,
    first_convolution,
    head_convolutions,
    image_tensors,
    insert_qdq,
)
from detection.detector import BackendName, DetectorSettings, open_detector
from detection.preprocess import Canvas
from detection.training.dataset import Dataset
from detection.training.evaluate import Track, evaluate, settings_for_evaluation

FEWEST_FRAMES = 32


def convert_int8(
    model: Path,
    frames: Iterable[Frame],
    out: Path,
    validation: Dataset | None = None,
    method: Method = "percentile",
    max_drop: float = 0.5,
    force: bool = False,
    scheme: QdqScheme | None = None,
    backend: BackendName = "auto",
    track: Track = iter,
) -> dict[str, Any]:
    """Write an INT8 model and return FP32's and INT8's mAP50 on the validation frames.

    Returns map50_fp32, map50_int8, drop (in points, hundredths of mAP50), calibration, frames, written.
    The figures are None without `validation`. A drop above `max_drop` writes nothing unless forced.
    UserError for a model that is not an FP32 deploy ONNX or finds nothing, for too few frames, and for a
    missing package.
    """
    graph = load_fp32(model)
    scheme = scheme or default_scheme(graph)
    images = prepare_images(graph, frames)
    quantized = quantize(graph, images, method, scheme, track)
    figures: dict[str, Any] = {"map50_fp32": None, "map50_int8": None, "drop": None}
    if validation:
        with tempfile.TemporaryDirectory() as folder:
            candidate = save_model(quantized, Path(folder) / "int8.onnx")
            before = evaluate_model(model, validation, backend, track)["map50"]
            if before <= 0:
                raise UserError(
                    f"expected an FP32 model that finds something on the validation frames, {model} does not"
                )
            after = evaluate_model(candidate, validation, backend, track)["map50"]
        figures = {"map50_fp32": before, "map50_int8": after, "drop": 100 * (before - after)}
    written = force or validation is None or figures["drop"] <= max_drop
    if written:
        save_model(quantized, out)
    return {**figures, "calibration": method, "frames": len(images), "written": written}


def default_scheme(graph: Any, symmetric: bool = False) -> QdqScheme:
    """What lost least and ran fastest here: unsigned activations, weights that no processor saturates.

    The heads stay in float: they are a hundredth of the arithmetic, and their output is coordinates. So
    does the first convolution where activations are symmetric: pixels would lose a bit.
    """
    heads = head_convolutions(graph.graph)
    if symmetric:
        return QdqScheme(symmetric=True, weights="full", skip=(first_convolution(graph.graph), *heads))
    return QdqScheme(weights="paired", skip=heads)


def quantize(
    model: Any, images: Sequence[NDArray[np.uint8]], method: Method, scheme: QdqScheme, track: Track = iter
) -> Any:
    """An INT8 copy of an FP32 deploy model, calibrated on images as the network takes them."""
    tensors = list(activation_tensors(model.graph, scheme))
    levels = 128 if scheme.symmetric else 256
    ranges = collect_ranges(model, images, tensors, [method], levels, track)[method]
    return apply_scheme(model, ranges, scheme, f"{method} on {len(images)} frames")


def apply_scheme(model: Any, ranges: dict[str, Range], scheme: QdqScheme, calibration: str) -> Any:
    """An INT8 copy of an FP32 deploy model, with its scheme and calibration in the metadata.

    The image keeps all of 0 to 255 whatever was calibrated: in unsigned bytes it loses nothing.
    """
    image = dict.fromkeys(image_tensors(model.graph), (0.0, 255.0))
    quantized = insert_qdq(model, {**ranges, **image}, scheme)
    write_metadata(
        quantized,
        {"precision": "int8", "quantization": json.dumps(asdict(scheme)), "calibration": calibration},
    )
    return quantized


def load_fp32(path: Path) -> Any:
    """The ONNX model of an FP32 deploy file; UserError if it is another kind of file, or INT8 already."""
    try:
        import onnxruntime  # noqa: F401  # the calibration needs it; say so before any work is done
    except ImportError as error:
        raise missing_package("converting", error.name, "convert") from error
    model = read_onnx(path)
    metadata = {prop.key: prop.value for prop in model.metadata_props}
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
    """Copies of frames as a network takes them; UserError if there are too few to calibrate on."""
    images = [canvas.place(frame).copy() for frame in frames]
    if len(images) < FEWEST_FRAMES:
        raise UserError(f"expected at least {FEWEST_FRAMES} frames to calibrate on, got {len(images)}")
    return images


def evaluate_model(
    model: Path, validation: Dataset, backend: BackendName = "auto", track: Track = iter
) -> dict[str, Any]:
    """COCO figures of a model file on labelled frames."""
    settings = settings_for_evaluation(DetectorSettings(model=str(model), backend=backend))
    detector = open_detector(settings)
    try:
        return evaluate(detector, validation, model.stem, track=track)
    finally:
        detector.close()
