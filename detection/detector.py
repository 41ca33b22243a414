"""The detector's seam, its settings, and the YOLO detector behind it."""

import difflib
import importlib.util
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from capture.errors import UserError
from capture.frame import Frame
from detection import boxes
from detection.detections import Detections, no_detections
from detection.layouts import Layout, recognise
from detection.preprocess import Canvas
from detection.saved_model import check_saved_model
from detection.signature import Signature, count_channels

Share = Annotated[float, Field(gt=0, lt=1)]
BackendName = Literal["auto", "openvino", "onnx", "tensorrt", "tensorflow", "triton"]
PACKAGES = {
    "openvino": ("openvino", "openvino"),
    "onnx": ("onnxruntime", "local-aim-assistant[onnx]"),
    "tensorflow": ("tensorflow", "local-aim-assistant[tensorflow]"),
    "triton": ("tritonclient", "local-aim-assistant[triton]"),
}


class DetectorSettings(BaseModel):
    """Which model detects, on what, and which boxes it reports."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = "doom-nano"
    backend: BackendName = "auto"
    confidence: float = Field(default=0.25, ge=0.0, le=1.0)
    iou: float = Field(default=0.55, gt=0.0, le=1.0)
    max_detections: int = Field(default=100, ge=1)
    threads: int = Field(default=0, ge=0)
    """Threads of the runtime; 0 leaves the choice to it."""
    input_px: tuple[int, int] | None = None
    """Width and height, for a model that takes any and, in OpenVINO, for ours; None takes its own."""
    fallbacks: tuple[Share, ...] = (0.7, 0.5)
    """Parts of the input's sides, the largest first: what `loop.adaptive` falls back to under load."""

    @field_validator("fallbacks")
    @classmethod
    def _check_fallbacks(cls, fallbacks: tuple[Share, ...]) -> tuple[Share, ...]:
        if list(fallbacks) != sorted(set(fallbacks), reverse=True):
            raise ValueError("expected the largest part first, and none twice")
        return fallbacks


class Detector(Protocol):
    """Finds boxes in a frame."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names that `class_id` indexes."""

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """The frame size, in pixels, that needs no scaling."""

    def detect(self, frame: Frame) -> Detections:
        """Boxes in pixels of the frame, most confident first."""

    def close(self) -> None:
        """Free what the detector holds."""


class Backend(Protocol):
    """Runs one model. `infer` takes uint8 (1, H, W, 3) BGR and returns the model's outputs as float32.

    It makes of the pixels what the model takes; only a model of BGRA is given (1, H, W, 4). What it returns
    may be overwritten by the next call.
    """

    name: str
    signature: Signature
    input_size_wh: tuple[int, int]
    threads: int

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]: ...

    def close(self) -> None: ...


class YoloDetector:
    """Letterbox, network, decoding and suppression; `detect` is the three stages in a row.

    Not safe to share between threads: it reuses its buffers.
    """

    def __init__(self, backend: Backend, layout: Layout, settings: DetectorSettings) -> None:
        self.class_names = layout.class_names
        self.input_size_wh = backend.input_size_wh
        self.backend = backend
        self.settings = settings
        self._layout = layout
        self._canvas = Canvas(backend.input_size_wh, layout.padding, count_channels(backend.signature))

    @property
    def precision(self) -> str:
        """Of the network's arithmetic: fp32, int8."""
        return self.backend.signature.metadata.get("precision", "fp32")

    def detect(self, frame: Frame) -> Detections:
        """Boxes in pixels of the frame, inside it, most confident first."""
        return self.postprocess(self.infer(self.preprocess(frame)), frame.size_wh)

    def preprocess(self, frame: Frame) -> NDArray[np.uint8]:
        """The frame on the network's canvas, as `Backend.infer` takes it; valid until the next call."""
        return self._canvas.place(frame)

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The network's outputs; valid until the next call."""
        return self.backend.infer(images)

    def postprocess(self, outputs: list[NDArray[np.float32]], size_wh: tuple[int, int]) -> Detections:
        """Boxes in pixels of a frame of `size_wh`, most confident first."""
        found = self._layout.decode(outputs, self.settings.confidence)
        if len(found) == 0:
            return no_detections()
        kept = found.select(self._choose(found))
        xyxy = boxes.canvas_to_image(kept.xyxy_px, self._canvas.fit(size_wh))
        return Detections(boxes.clip_boxes(xyxy, size_wh), kept.confidence, kept.class_id)

    def _choose(self, found: Detections) -> NDArray[np.intp] | slice:
        """The best boxes of those that overlap, best first."""
        if self._layout.is_suppressed:
            return slice(self.settings.max_detections)
        return boxes.suppress_overlaps(
            found.xyxy_px,
            found.confidence,
            found.class_id,
            self.settings.iou,
            self.settings.max_detections,
        )

    def close(self) -> None:
        """Free the network."""
        self.backend.close()


def open_detector(settings: DetectorSettings) -> YoloDetector:
    """A detector as the settings say; UserError if the model or a package is missing, or no decoder fits."""
    if is_served(settings.model) or settings.backend == "triton":
        source, backend = settings.model, _open_served(settings)
    else:
        path = find_model(settings.model)
        source, backend = path.name, _open_backend(path, settings)
    try:
        layout = recognise(backend.signature, source)
    except UserError:
        backend.close()
        raise
    return YoloDetector(backend, layout, settings)


def is_served(model: str) -> bool:
    """True for the URL of a model that a Triton server runs."""
    return model.startswith("triton://")


def model_names() -> list[str]:
    """The shipped models."""
    folders = resources.files("models").iterdir()
    return sorted(folder.name for folder in folders if folder.joinpath("model.onnx").is_file())


def find_model(model: str) -> Path:
    """The file of a name under models/, a file, or a SavedModel folder; UserError names what there is."""
    if model in model_names():
        return Path(str(resources.files("models").joinpath(model, "model.onnx")))
    path = Path(model)
    if path.is_dir():
        return check_saved_model(path)
    if path.is_file():
        if path.suffix not in (".onnx", ".engine"):
            raise UserError(
                f"expected a model name or an .onnx file, got {model}; `run_aimbot.py convert onnx` makes one"
            )
        return path
    near = difflib.get_close_matches(model, model_names(), n=1, cutoff=0.5)
    raise UserError(
        f"expected a model ({', '.join(model_names()) or 'none is shipped'}) or an .onnx file, got {model!r}"
        + (f"; did you mean {near[0]}?" if near else "")
    )


def _open_served(settings: DetectorSettings) -> Backend:
    if not is_served(settings.model):
        raise UserError(
            f"expected triton://HOST[:PORT]/MODEL for backend triton, got {settings.model}; "
            "docs/triton.md says how to serve a model"
        )
    if settings.backend not in ("auto", "triton"):
        raise UserError(f"expected backend triton for {settings.model}, got {settings.backend}")
    _check_installed("triton")
    from detection.backends.triton import TritonBackend

    return TritonBackend(settings.model, settings.input_px)


def _open_backend(path: Path, settings: DetectorSettings) -> Backend:
    name = _choose_backend(path) if settings.backend == "auto" else settings.backend
    _check_kind(path, name)
    if name == "tensorrt":
        from detection.backends.tensorrt import open_tensorrt

        return open_tensorrt(path, settings.input_px)
    _check_installed(name)
    if name == "tensorflow":
        from detection.backends.tensorflow import TensorFlowBackend

        return TensorFlowBackend(path, settings.threads, settings.input_px)
    if name == "openvino":
        from detection.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(path, settings.threads, settings.input_px)
    from detection.backends.onnx import OnnxBackend

    return OnnxBackend(path, settings.threads, settings.input_px)


def _choose_backend(path: Path) -> str:
    """The one that runs this kind of file; of those for ONNX, what is installed and fastest on a CPU."""
    if path.is_dir():
        return "tensorflow"
    if path.suffix == ".engine":
        return "tensorrt"
    return "onnx" if not _is_installed("openvino") and _is_installed("onnx") else "openvino"


def _check_kind(path: Path, backend: str) -> None:
    """UserError for a file that this back end does not read."""
    if backend == "tensorflow" and not path.is_dir():
        wanted = "a SavedModel folder (`run_aimbot.py convert saved-model`)"
    elif backend != "tensorflow" and path.is_dir():
        wanted = "an .onnx file"
    elif backend != "tensorrt" and path.suffix == ".engine":
        wanted = "an .onnx file, for an engine runs in TensorRT alone,"
    else:
        return
    raise UserError(f"expected {wanted} for backend {backend}, got {path}")


def _check_installed(backend: str) -> None:
    if not _is_installed(backend):
        package, install = PACKAGES[backend]
        raise UserError(f"backend {backend} needs the package {package}: pip install '{install}'")


def _is_installed(backend: str) -> bool:
    return importlib.util.find_spec(PACKAGES[backend][0]) is not None
