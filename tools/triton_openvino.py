"""What stands in for Triton's ONNX Runtime back end where only its Python back end is: OpenVINO, on the CPU.

A server runs it in a process of its own, as the `model.py` of a back end that is written in Python:
https://github.com/triton-inference-server/backend/blob/main/docs/python_based_backends.md
"""

import sys
from pathlib import Path
from typing import Any

import openvino as ov
import triton_python_backend_utils as triton
from numpy import from_dlpack

OPTIONS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}  # as in our own back end


class TritonPythonModel:
    """One model of a repository; the names of the class and its methods are Triton's.

    Tensors come and go as DLPack: the wheel's own NumPy arrays are right for NumPy 1 alone.
    """

    def initialize(self, told: dict[str, str]) -> None:
        """Compile the model's file; an exception becomes the reason that the server gives."""
        sys.unraisablehook = lambda _: None  # Triton renames NumPy's capsules, and NumPy reports each
        path = Path(told["model_repository"]) / told["model_version"] / "model.onnx"
        self._compiled = ov.Core().compile_model(str(path), "CPU", OPTIONS)
        self._request = self._compiled.create_infer_request()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        names = [port.get_any_name() for port in self._compiled.inputs]
        given = {name: from_dlpack(triton.get_input_tensor_by_name(request, name)) for name in names}
        outputs = self._request.infer(given)
        return triton.InferenceResponse(
            [triton.Tensor.from_dlpack(port.get_any_name(), outputs[port]) for port in self._compiled.outputs]
        )
