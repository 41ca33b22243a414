"""The card by its driver's own API: who it is, page-locked buffers, one stream, a graph.

The driver is wherever the card is; the run-time library (libcudart) need not be, for TensorRT brings its own.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from capture.errors import UserError, missing_package

NO_CARD = "expected an NVIDIA GPU with its driver, found none"


class CudaError(RuntimeError):
    """A call of the driver's API failed."""


class Card:
    """The first card, with its primary context, which TensorRT uses too."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        try:
            self.call("cuInit", 0)
        except CudaError as error:
            raise UserError(f"{NO_CARD} ({error})") from error
        except RuntimeError as error:  # cuda-bindings looks for the driver's library at the first call
            raise UserError(f"{NO_CARD} (no driver library)") from error
        self._device = self.call("cuDeviceGet", 0)
        self.name = self.call("cuDeviceGetName", 96, self._device).split(b"\0")[0].decode()
        kinds = driver.CUdevice_attribute
        major, minor = (
            self.call("cuDeviceGetAttribute", getattr(kinds, kind), self._device)
            for kind in (
                "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR",
                "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR",
            )
        )
        self.capability = f"{major}.{minor}"
        version = self.call("cuDriverGetVersion")
        self.driver_cuda = (version // 1000, version % 1000 // 10)
        # Relaxed: recording a graph leaves other threads free to use the card.
        self.capture_mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        self._context = self.call("cuDevicePrimaryCtxRetain", self._device)
        self.enter()

    def enter(self) -> None:
        """Make the card's context current on this thread."""
        self.call("cuCtxSetCurrent", self._context)

    def call(self, name: str, *arguments: Any) -> Any:
        """What a function of the driver gives; CudaError, with its name, if it fails."""
        code, *values = getattr(self._driver, name)(*arguments)
        if int(code) != 0:
            raise CudaError(f"{name}: {getattr(code, 'name', code)}")
        return values[0] if values else None

    def close(self) -> None:
        """Let go of the context."""
        self.call("cuDevicePrimaryCtxRelease", self._device)


def open_card() -> Card:
    """The first NVIDIA card; UserError if there is none, or cuda-bindings is missing."""
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise missing_package("TensorRT", "cuda-bindings", "tensorrt-rtx") from error
    return Card(driver)


class Buffer:
    """Memory on the card with its page-locked twin on the host, `array`, which the card reads by itself."""

    def __init__(self, card: Card, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._card = card
        self.size_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self._host = int(card.call("cuMemHostAlloc", self.size_bytes, 0))
        self._memory = card.call("cuMemAlloc", self.size_bytes)
        self.address = int(self._memory)
        held = (ctypes.c_uint8 * self.size_bytes).from_address(self._host)
        self.array: NDArray[Any] = np.ctypeslib.as_array(held).view(dtype).reshape(shape)
        self.array[...] = 0

    def upload(self, stream: Any) -> None:
        """Queue the copy to the card."""
        self._card.call("cuMemcpyHtoDAsync", self._memory, self._host, self.size_bytes, stream)

    def download(self, stream: Any) -> None:
        """Queue the copy from the card."""
        self._card.call("cuMemcpyDtoHAsync", self._host, self._memory, self.size_bytes, stream)

    def free(self) -> None:
        """Free both; `array` must not be read any more."""
        self._card.call("cuMemFree", self._memory)
        self._card.call("cuMemFreeHost", self._host)


class Lane:
    """One stream, and the work recorded on it as a graph: all of it starts with one call."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self.stream = card.call("cuStreamCreate", 1)  # 1: does not wait for the default stream
        self._graph: Any = None

    def record(self, work: Callable[[], None]) -> None:
        """Record what `work` queues on the stream; nothing runs yet."""
        self._card.call("cuStreamBeginCapture", self.stream, self._card.capture_mode)
        try:
            work()
        finally:
            graph = self._card.call("cuStreamEndCapture", self.stream)
        self._graph = self._card.call("cuGraphInstantiate", graph, 0)
        self._card.call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Queue the recorded work."""
        self._card.call("cuGraphLaunch", self._graph, self.stream)

    def wait(self) -> None:
        """Until all that was queued is done."""
        self._card.call("cuStreamSynchronize", self.stream)

    def close(self) -> None:
        """Free the graph and the stream."""
        if self._graph is not None:
            self._card.call("cuGraphExecDestroy", self._graph)
        self._card.call("cuStreamDestroy", self.stream)
