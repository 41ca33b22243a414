"""Runtimes that the assistant does not use, as back ends: they are measured beside those that it does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from detection.boxes import SizeWH
from detection.signature import Signature, Tensor


class LiteRtBackend:
    """A .tflite file of ours in LiteRT (ai-edge-litert), on the CPU through XNNPACK."""

    name = "litert"

    def __init__(self, path: Path, metadata: Mapping[str, str], threads: int) -> None:
        """UserError for a graph that LiteRT cannot run."""
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=threads)
        try:
            self._interpreter.allocate_tensors()
        except RuntimeError as error:
            raise UserError(f"LiteRT cannot run this graph: {error}") from error
        self._run = self._interpreter.get_signature_runner()
        inputs, outputs = self._run.get_input_details(), self._run.get_output_details()
        self._outputs = sorted(outputs, key=lambda name: (len(name), name))
        self.signature = Signature(
            tuple(_read_tensor(value) for value in inputs.values()),
            tuple(_read_tensor(outputs[name]) for name in self._outputs),
            metadata,
        )
        _, height, width, _ = inputs["images"]["shape"]
        self.input_size_wh = (int(width), int(height))
        self.threads = threads

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Heads of one image, (1, H, W, 3) BGR."""
        outputs = self._run(images=images)
        return [outputs[name] for name in self._outputs]

    def close(self) -> None:
        """Free the interpreter."""
        del self._run, self._interpreter


class OpenCvBackend:
    """An ONNX of ours that ends with its raw heads, in OpenCV's DNN module, which cannot decode boxes."""

    name = "opencv"

    def __init__(self, path: Path, size_wh: SizeWH, metadata: Mapping[str, str], threads: int) -> None:
        cv2.setNumThreads(threads)
        self._network = cv2.dnn.readNetFromONNX(str(path))
        self._outputs = self._network.getUnconnectedOutLayersNames()
        self.input_size_wh = size_wh
        self.threads = threads
        shape = (1, size_wh[1], size_wh[0], 3)
        heads = self.infer(np.zeros(shape, np.uint8))
        self.signature = Signature(
            (Tensor("uint8", shape),), tuple(Tensor("float32", head.shape) for head in heads), metadata
        )

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Heads of one image, (1, H, W, 3) BGR."""
        self._network.setInput(images)
        outputs: Any = self._network.forward(self._outputs)
        return list(outputs)

    def close(self) -> None:
        """Free the network."""
        del self._network


def _read_tensor(details: Mapping[str, Any]) -> Tensor:
    return Tensor(np.dtype(details["dtype"]).name, tuple(int(size) for size in details["shape"]))
