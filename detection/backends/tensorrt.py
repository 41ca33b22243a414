"""TensorRT on an NVIDIA card: classic 8.5 to 11, and TensorRT-RTX."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from detection.boxes import SizeWH
from detection.cache import user_cache_dir
from detection.engines.build import find_engine, place_order
from detection.engines.cuda import Buffer, Card, CudaError, Lane, open_card
from detection.engines.engine import Engine, check_engine, read_engine
from detection.engines.runtimes import Runtime, check_card, choose_runtime, load_runtime
from detection.preprocess import fit_pixels
from detection.signature import read_image_input

# TensorRT's names of element types, to NumPy's.
TYPES = {"UINT8": "uint8", "FLOAT": "float32", "HALF": "float16", "INT32": "int32", "INT64": "int64"}


class TensorRtBackend:
    """One engine on one stream: upload, network and download are one recorded graph, started by one call.

    Everything is allocated when it is opened. Not safe to share between threads at a time, but another
    thread than the one that opened it may use it.
    """

    name = "tensorrt"
    threads = 0

    def __init__(self, engine: Engine, runtime: Runtime, card: Card) -> None:
        self.signature = engine.signature
        self._image = read_image_input(engine.signature)
        self.input_size_wh = self._image.size_wh
        self.card = card
        self._runtime = runtime.api.Runtime(runtime.log)  # the engine needs it for as long as it lives
        self._engine = self._runtime.deserialize_cuda_engine(engine.plan)
        if self._engine is None:
            raise UserError(f"{runtime} cannot load the engine of {engine.model}: {runtime.take_complaint()}")
        self._context = self._engine.create_execution_context()
        self.inputs = [self._allocate(name, runtime) for name in engine.inputs]
        self.outputs = [self._allocate(name, runtime) for name in engine.outputs]
        self.lane = Lane(card)
        self._queue_all()  # what TensorRT loads or compiles at its first run cannot be recorded
        self.lane.wait()
        self.lane.record(self._queue_all)

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs for one image, (1, H, W, 3) BGR; the arrays are overwritten by the next call."""
        np.copyto(self.inputs[0].array, fit_pixels(images, self._image))
        self.card.enter()
        self.lane.launch()
        self.lane.wait()
        return [output.array.astype(np.float32, copy=False) for output in self.outputs]

    def queue_network(self, stream: Any) -> None:
        """Queue the network alone, on what was uploaded last."""
        if not self._context.execute_async_v3(int(stream)):
            raise CudaError("TensorRT did not run the network")

    def close(self) -> None:
        """Free the engine and its buffers."""
        self.card.enter()
        self.lane.close()
        for buffer in (*self.inputs, *self.outputs):
            buffer.free()
        del self._context, self._engine, self._runtime
        self.card.close()

    def _queue_all(self) -> None:
        for buffer in self.inputs:
            buffer.upload(self.lane.stream)
        self.queue_network(self.lane.stream)
        for buffer in self.outputs:
            buffer.download(self.lane.stream)

    def _allocate(self, name: str, runtime: Runtime) -> Buffer:
        shape, kind = self._engine.get_tensor_shape(name), self._engine.get_tensor_dtype(name)
        buffer = Buffer(self.card, tuple(shape), TYPES[kind.name])
        self._context.set_tensor_address(name, buffer.address)
        return buffer


def open_tensorrt(
    path: Path, size_wh: SizeWH | None = None, cache_dir: Path | None = None
) -> TensorRtBackend:
    """The back end of an engine file, or of an .onnx file, whose engine for this card is built or found.

    UserError for a card that is missing or that TensorRT does not know, a driver that is too old, a
    package that is missing, and an engine for another card or TensorRT.
    """
    card = open_card()
    if path.suffix == ".onnx":
        runtime = choose_runtime(card.capability)
        check_card(runtime, card)
        order = place_order(path, name_model(path), runtime, card, size_wh=size_wh)
        path, _ = find_engine(order, runtime, cache_dir or default_folder(), say)
        engine = read_engine(path)
    else:
        engine = read_engine(path)
        runtime = load_runtime(engine.key.runtime)
        check_card(runtime, card)
        check_engine(engine, str(path), runtime, card)
        read_image_input(engine.signature, size_wh)
    return TensorRtBackend(engine, runtime, card)


def say(line: str) -> None:
    """Tell the user, who waits."""
    print(line, file=sys.stderr, flush=True)


def default_folder() -> Path:
    """Where engines and timings are kept."""
    return user_cache_dir() / "tensorrt"


def name_model(path: Path) -> str:
    """A model as `--model` takes it: a shipped one's name, or the file."""
    return path.parent.name if path.name == "model.onnx" else str(path)
