"""OpenVINO on the CPU: the default back end."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as opset
from openvino.frontend import FrontEndManager
from openvino.preprocess import ColorFormat, PrePostProcessor

from capture.errors import UserError
from detection.boxes import SizeWH
from detection.cache import user_cache_dir
from detection.signature import Shape, Signature, Tensor, read_image_input


class OpenVinoBackend:
    """One compiled model and one infer request, tuned for the latency of single frames.

    Not safe to share between threads. `cache_dir` keeps compiled models, so that the next start is quick.
    """

    name = "openvino"

    def __init__(
        self,
        path: Path,
        threads: int = 0,
        size_wh: SizeWH | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        core = ov.Core()
        model = _read_model(path)
        self.signature = _read_signature(model)
        if size_wh and "darknet_cfg" in self.signature.metadata:
            own = read_image_input(self.signature)
            if own.size_wh != size_wh:
                model = _free_size(model, own.channels)
                self.signature = replace(_read_signature(model), metadata=self.signature.metadata)
        image = read_image_input(self.signature, size_wh)
        try:
            model.reshape(image.shape)
            prepared = _take_captured_pixels(model) if image.is_planar else model
            compiled = core.compile_model(
                prepared, "CPU", _options(threads, cache_dir or _default_cache_dir())
            )
        except RuntimeError as error:
            raise _unreadable(path) from error
        self.input_size_wh = image.size_wh
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
        self._request = compiled.create_infer_request()
        self._input = self._request.get_input_tensor().data
        self._output_count = len(compiled.outputs)

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs for one image, BGR, or BGRA if the model takes that; the next call overwrites them."""
        np.copyto(self._input, images)  # 0.03 ms; sharing memory would refuse read-only frames
        self._request.infer()
        # Asked for anew: an output whose size depends on the image has other memory each time.
        return [self._request.get_output_tensor(index).data for index in range(self._output_count)]

    def close(self) -> None:
        """Free the model."""
        del self._input, self._request


def _read_model(path: Path) -> ov.Model:
    """An ONNX file by its own front end: Core.read_model asks all, and others print that it is not theirs."""
    reader = FrontEndManager().load_by_framework("onnx")
    try:
        return reader.convert(reader.load(str(path)))
    except Exception as error:  # the front end's errors share no other base
        raise _unreadable(path) from error


def _unreadable(path: Path) -> UserError:
    return UserError(f"expected an ONNX model in {path}, OpenVINO cannot read it")


def _take_captured_pixels(model: ov.Model) -> ov.Model:
    """The model with uint8 (1, H, W, 3) BGR in place of its planes of floats, and float32 outputs."""
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().tensor().set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).convert_color(ColorFormat.RGB).scale(255.0)
    for index in range(len(model.outputs)):
        steps.output(index).tensor().set_element_type(ov.Type.f32)
    return steps.build()


def _free_size(model: ov.Model, channels: int) -> ov.Model:
    """A graph of ours up to its raw heads, as one that takes any size; itself if it has no heads.

    Behind the heads it has tables of its own size's cells; so the boxes are decoded in NumPy.
    """
    ops = {op.get_friendly_name(): op for op in model.get_ops()}
    names = takewhile(ops.__contains__, (f"head_{index}" for index in count()))
    heads = [opset.result(opset.transpose(ops[name].input_value(0), [0, 2, 3, 1])) for name in names]
    if not heads:
        return model
    free = ov.Model(heads, model.get_parameters())
    free.reshape(ov.PartialShape([1, -1, -1, channels]))
    return free


def _read_signature(model: ov.Model) -> Signature:
    return Signature(_read_tensors(model.inputs), _read_tensors(model.outputs), _read_metadata(model))


def _read_tensors(ports: Sequence[Any]) -> tuple[Tensor, ...]:
    return tuple(Tensor(port.element_type.to_dtype().name, _read_shape(port.partial_shape)) for port in ports)


def _read_shape(shape: ov.PartialShape) -> Shape:
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if size.is_dynamic else int(size.get_length()) for size in shape)


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
        # Else every process pins its threads to the first cores: two of one thread share one core.
        options["ENABLE_CPU_PINNING"] = False
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
