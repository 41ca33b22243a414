"""ONNX Runtime on the CPU."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from capture.errors import UserError


class OnnxBackend:
    """One ONNX Runtime session. Not safe to share between threads."""

    name = "onnx"

    def __init__(self, path: Path, threads: int = 0) -> None:
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
        _, height, width, _ = session.get_inputs()[0].shape
        self.input_size_wh = (int(width), int(height))
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.threads = threads

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Raw heads of one image, (1, H, W, 3) BGR."""
        heads: list[NDArray[np.float32]] = self._session.run(self._outputs, {self._input: images})
        return heads

    def close(self) -> None:
        """Free the session."""
        del self._session
