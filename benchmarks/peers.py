"""One model in every runtime that is installed, FP32 and INT8, in turns on the same frames."""

import importlib.util
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.detector import Track, measure_in_turns
from benchmarks.peer_runtimes import LiteRtBackend, OpenCvBackend
from capture.errors import UserError, missing_package
from capture.frame import Frame
from converters.darknet import DarknetModel, convert_darknet, read_darknet
from converters.export import export_graph
from converters.int8 import convert_int8, place_frames
from converters.onnx import convert_onnx, describe_model, save_model
from converters.parity import compare_detectors
from converters.saved_model import convert_saved_model
from detection.boxes import SizeWH
from detection.detector import Backend, DetectorSettings, YoloDetector, find_model, open_detector
from detection.layouts import recognise
from detection.preprocess import Canvas

# TensorFlow makes the forms, and OpenCV is needed everywhere: those two are never left out.
PACKAGES = {
    "openvino": ("openvino", "pip install openvino"),
    "onnx": ("onnxruntime", "pip install 'local-aim-assistant[onnx]'"),
    "litert": ("ai_edge_litert", "pip install 'local-aim-assistant[peers]'"),
}

CALIBRATION_FRAMES = 64


@dataclass(frozen=True, slots=True)
class Forms:
    """One model's weights in every form that a runtime takes; INT8 is calibrated on the same frames."""

    source: DarknetModel
    heads: Path
    fp32: Path
    int8: Path
    saved_model: Path
    images: Sequence[NDArray[np.uint8]]

    @property
    def size_wh(self) -> SizeWH:
        """The network's input, in pixels."""
        return self.source.config.width_px, self.source.config.height_px

    def describe(self, precision: str) -> dict[str, str]:
        """The metadata of a form whose file has none."""
        return describe_model(self.source.config, self.source.class_names, precision)


def run(
    model: str, frames: Sequence[Frame], rounds: int = 200, threads: int = 1, track: Track = iter
) -> dict[str, Any]:
    """The processor, rows as of `benchmark detector`, and what is left out, with the reason: a runtime that
    is not installed, or cannot run this model.

    The weights are those of `model`, a deploy ONNX of any precision or a name. Every row has all of
    `detect`, from pixels to boxes, on `threads` threads, and matched_share: how far its boxes are those of
    OpenVINO's FP32 (see `compare_detectors`), so that what is compared is the same work. UserError for a
    model that is not ours, a package without which no form is made, and fewer than 32 frames.
    """
    try:
        from detection.backends.tensorflow import prepare_runtime
    except ImportError as error:
        raise missing_package("benchmark peers", error.name, "peers") from error
    missing = [
        {"backend": name, "reason": f"not installed; {install}"}
        for name, (_, install) in PACKAGES.items()
        if not has(name)
    ]
    prepare_runtime(threads)  # before the conversions start TensorFlow with a number of its own
    with tempfile.TemporaryDirectory() as folder:
        forms = make_forms(model, frames, Path(folder))
        detectors, refused = open_peers(forms, threads)
        rows = measure_in_turns([(Path(model).stem, peer) for peer in detectors], frames, rounds, track)
        for row, detector in zip(rows, detectors, strict=True):
            row["matched_share"] = compare_detectors(detectors[0], detector, frames)["matched_share"]
        for detector in reversed(detectors):  # detection/ladder.py says why
            detector.close()
    return {"cpu": describe_cpu(), "rounds": rounds, "rows": rows, "left_out": missing + refused}


def describe_cpu() -> str:
    """The processor's name, where OpenVINO is there to tell it, and the instruction sets that NumPy finds."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    name = platform.machine()
    if has("openvino"):
        import openvino

        name = str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")).strip()
    return f"{name} ({', '.join(found)})"


def has(runtime: str) -> bool:
    """True if a runtime of PACKAGES is installed."""
    return importlib.util.find_spec(PACKAGES[runtime][0]) is not None


def make_forms(model: str, frames: Sequence[Frame], folder: Path) -> Forms:
    """Write a model's forms into a folder."""
    path = find_model(model)
    calibration = frames[:: max(len(frames) // CALIBRATION_FRAMES, 1)]  # LiteRT takes a second for each
    source = read_darknet(path)
    weights = folder / "model.weights"
    convert_darknet(path, weights)
    fp32 = convert_onnx(weights.with_suffix(".cfg"), weights, source.class_names, folder / "fp32.onnx")
    int8 = folder / "int8.onnx"
    convert_int8(fp32, calibration, int8)
    heads = save_model(export_graph(source.config, source.convolutions), folder / "heads.onnx")
    saved_model = convert_saved_model(source, folder / "saved")
    canvas = Canvas((source.config.width_px, source.config.height_px))
    return Forms(source, heads, fp32, int8, saved_model, place_frames(calibration, canvas))


def open_peers(forms: Forms, threads: int) -> tuple[list[YoloDetector], list[dict[str, str]]]:
    """A detector for each installed runtime and each precision that it has, and those that fail.

    OpenVINO comes first: after an ONNX Runtime session it once ran on a single thread.
    """
    files = [("openvino", forms.fp32), ("openvino", forms.int8), ("onnx", forms.fp32), ("onnx", forms.int8)]
    files = [(backend, path) for backend, path in files if has(backend)]
    peers = [
        open_detector(DetectorSettings(model=str(path), backend=backend, threads=threads))
        for backend, path in [*files, ("tensorflow", forms.saved_model)]
    ]
    refused: list[dict[str, str]] = []
    for precision in ("fp32", "int8") if has("litert") else ():
        tflite = write_tflite(forms.saved_model, forms.images if precision == "int8" else ())
        try:
            peers.append(wrap(LiteRtBackend(tflite, forms.describe(precision), threads)))
        except UserError as error:
            refused.append({"backend": "litert", "precision": precision, "reason": str(error)})
    peers.append(wrap(OpenCvBackend(forms.heads, forms.size_wh, forms.describe("fp32"), threads)))
    return peers, refused


def wrap(backend: Backend) -> YoloDetector:
    """A detector on a back end that `open_detector` does not know."""
    return YoloDetector(backend, recognise(backend.signature, backend.name), DetectorSettings())


def write_tflite(saved_model: Path, images: Sequence[NDArray[np.uint8]]) -> Path:
    """A .tflite file beside a SavedModel; INT8 if there are images to calibrate on."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(saved_model))
    served = loaded.signatures["serving_default"]
    # Of a concrete function the variables become constants; `from_saved_model` cannot calibrate with them.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([served], loaded)
    if images:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    out = saved_model.with_name("int8.tflite" if images else "fp32.tflite")
    out.write_bytes(converter.convert())
    return out


def print_table(result: Mapping[str, Any], console: Console | None = None) -> None:
    """The rows as a table, and a line for each runtime that was left out."""
    console = console or Console()
    table = Table(title="the same weights in every runtime: pixels to boxes")
    for name in ("backend", "precision", "size", "threads", "p50 ms", "p99 ms", "fps", "matched"):
        table.add_column(name, justify="right" if name.endswith(("ms", "fps", "matched")) else "left")
    for row in result["rows"]:
        figures = (f"{row[key]:.1f}" for key in ("p50_ms", "p99_ms", "fps"))
        matched = f"{100 * row['matched_share']:.1f} %"
        table.add_row(row["backend"], row["precision"], row["size"], str(row["threads"]), *figures, matched)
    console.print(table)
    for row in result["left_out"]:
        name = f"{row['backend']} {row.get('precision', '')}".strip()
        console.print(f"left out: {name}: {row['reason']}", markup=False)
