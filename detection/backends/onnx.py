"""ONNX Runtime on the CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from capture.errors import UserError
from detection.boxes import SizeWH
from detection.preprocess import fit_pixels
from detection.signature import Signature, Tensor, read_image_input

TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


class OnnxBackend:
    """One ONNX Runtime session. Not safe to share between threads."""

    name = "onnx"

    def __init__(self, path: Path, threads: int = 0, size_wh: SizeWH | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Waiting threads would spin on a core that the game, or another runtime, needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Its INT8 convolutions want another Q/DQ placement than ours; float ones are quicker, and exact.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors share no other base
            raise UserError(f"expected an ONNX model in {path}, ONNX Runtime cannot read it") from error
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [output.name for output in session.get_outputs()]
        self.signature = Signature(
            _read_tensors(session.get_inputs()),
            _read_tensors(session.get_outputs()),
            dict(session.get_modelmeta().custom_metadata_map),
        )
        self._image = read_image_input(self.signature, size_wh)
        self.input_size_wh = self._image.size_wh
        self.threads = threads

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs for one image, (1, H, W, 3) BGR, or BGRA if the model takes that."""
        outputs = self._session.run(self._outputs, {self._input: fit_pixels(images, self._image)})
        return [output.astype(np.float32, copy=False) for output in outputs]

    def close(self) -> None:
        """Free the session."""
        del self._session


def _read_tensors(nodes: Sequence[Any]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            TYPES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")")),
            tuple(size if isinstance(size, int) else None for size in node.shape),
        )
        for node in nodes
    )
