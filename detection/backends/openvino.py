"""OpenVINO on the CPU: the default back end."""

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from capture.errors import UserError
from detection.cache import user_cache_dir


class OpenVinoBackend:
    """One compiled model and one infer request, tuned for the latency of single frames.

    Not safe to share between threads. `cache_dir` keeps compiled models, so that the next start is quick.
    """

    name = "openvino"

    def __init__(self, path: Path, threads: int = 0, cache_dir: Path | None = None) -> None:
        core = ov.Core()
        try:
            model = core.read_model(path)
            self.metadata = _read_metadata(model)
            compiled = core.compile_model(model, "CPU", _options(threads, cache_dir or _default_cache_dir()))
        except RuntimeError as error:
            raise UserError(f"expected an ONNX model in {path}, OpenVINO cannot read it") from error
        _, height, width, _ = compiled.input(0).shape
        self.input_size_wh = (int(width), int(height))
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
        self._request = compiled.create_infer_request()
        self._input = self._request.get_input_tensor().data
        self._outputs = [self._request.get_tensor(output) for output in compiled.outputs]

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Raw heads of one image, (1, H, W, 3) BGR; the arrays are overwritten by the next call."""
        np.copyto(self._input, images)  # 0.03 ms; sharing memory would refuse read-only frames
        self._request.infer()
        return [output.data for output in self._outputs]

    def close(self) -> None:
        """Free the model."""
        del self._input, self._outputs, self._request


def _read_metadata(model: ov.Model) -> dict[str, str]:
    """The metadata_props of an ONNX file, which OpenVINO keeps as run-time information."""
    if not model.has_rt_info(["framework"]):
        return {}
    keys = model.get_rt_info(["framework"]).astype(dict)
    return {key: model.get_rt_info(["framework", key]).astype(str) for key in keys}


def _options(threads: int, cache_dir: Path | None) -> dict[str, object]:
    options: dict[str, object] = {
        "PERFORMANCE_HINT": "LATENCY",
        # The default follows the processor (bfloat16 where it has it); recordings must replay alike.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    if cache_dir:
        options["CACHE_DIR"] = str(cache_dir)
    return options


def _default_cache_dir() -> Path | None:
    """The cache folder, made if need be; None where it cannot be written."""
    folder = user_cache_dir() / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder
