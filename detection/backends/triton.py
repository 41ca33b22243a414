"""A model that a Triton Inference Server runs, on this computer or another one (docs/triton.md)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput

from detection.boxes import SizeWH
from detection.preprocess import fit_pixels
from detection.shared_arrays import SharedArrays
from detection.signature import read_image_input
from detection.triton_server import TritonServer

TIMEOUT_S = 5.0
FIRST_TIMEOUT_S = 60.0  # a server may compile or tune what it runs for the first time

DATATYPES = {"uint8": "UINT8", "float32": "FP32", "float16": "FP16"}


class TritonBackend:
    """One model of one server. Not safe to share between threads.

    Pixels and outputs lie in memory that the server maps too, where it runs on this machine; elsewhere, and
    for outputs of changing shape, they travel in the messages. The server chooses its threads.
    """

    name = "triton"
    threads = 0

    def __init__(self, url: str, size_wh: SizeWH | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """The model of triton://HOST[:PORT]/MODEL.

        UserError if there is no such server or model, it does not detect in images, or does not answer
        within `timeout_s`, then or later; the first image may take FIRST_TIMEOUT_S.
        """
        self._shared: SharedArrays | None = None
        self._outputs: dict[str, NDArray[Any]] = {}  # those that lie in it
        self._server = TritonServer(url, timeout_s)
        try:
            self._open(size_wh)
        except BaseException:
            self.close()
            raise

    @property
    def shares_memory(self) -> bool:
        """Whether the pixels lie in memory that the server maps too."""
        return self._shared is not None

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs for one image, BGR, or BGRA if the model takes that; the next call may overwrite them."""
        taken = fit_pixels(images, self._image)
        if self._shared is None:
            self._input.set_data_from_numpy(taken)
        else:
            np.copyto(self._shared.arrays[0], taken)
        outputs = self._take(self._server.infer(self._input, self._wanted))
        return [output.astype(np.float32, copy=False) for output in outputs]

    def close(self) -> None:
        """Have the server let go of the shared memory, and hang up."""
        self._server.close(self._shared)
        self._shared = None
        self._outputs.clear()

    def _open(self, size_wh: SizeWH | None) -> None:
        self._server.check_model()
        self.signature, inputs, self._names = self._server.read_signature()
        self._image = read_image_input(self.signature, size_wh)
        self.input_size_wh = self._image.size_wh
        self._input = InferInput(inputs[0], self._image.shape, DATATYPES[self._image.type])
        self._wanted = [InferRequestedOutput(name) for name in self._names]
        blank = np.zeros(self._image.shape, self._image.type)
        self._input.set_data_from_numpy(blank)
        first = self._take(self._server.infer(self._input, self._wanted, FIRST_TIMEOUT_S))
        self._share(blank, first)

    def _share(self, blank: NDArray[Any], first: list[NDArray[Any]]) -> None:
        """Move the input, and all outputs of fixed shape, into memory that the server maps, if it can."""
        fixed = [index for index, output in enumerate(self.signature.outputs) if None not in output.shape[1:]]
        try:
            shared = SharedArrays([blank, *(first[index] for index in fixed)])
        except OSError:
            return
        if not self._server.share(shared):
            return
        self._shared = shared
        self._input.set_shared_memory(shared.key, blank.nbytes, shared.offsets[0])
        for index, array, offset in zip(fixed, shared.arrays[1:], shared.offsets[1:], strict=True):
            self._wanted[index].set_shared_memory(shared.key, array.nbytes, offset)
            self._outputs[self._names[index]] = array

    def _take(self, result: Any) -> list[NDArray[Any]]:
        """The outputs, from the shared memory or the message."""
        return [
            self._outputs[name] if name in self._outputs else result.as_numpy(name) for name in self._names
        ]
