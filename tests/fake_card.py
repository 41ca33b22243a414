"""A card and a TensorRT for tests: the driver's calls that ours make, on host memory, with a real queue."""

import ctypes
import threading
from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np

Work = Callable[[], None]


class FakeDriver:
    """Queued work waits for a synchronization, and recorded work for a launch, as on a card."""

    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR="major",
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR="minor",
    )
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_RELAXED=2)

    def __init__(self, name: str = "NVIDIA H100", capability: str = "9.0", cuda: int = 13000) -> None:
        self.name, self.capability, self.cuda = name, capability.split("."), cuda
        self.memory: dict[int, Any] = {}
        self.calls: list[str] = []
        self.alive: list[str] = []
        self._streams: dict[int, list[Work]] = {}
        self._recorded: list[Work] | None = None
        self._thread = threading.local()

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("cu") and name[2].isupper():
            self.calls.append(name)
            outside = ("cuInit", "cuDevice", "cuDriver", "cuCtxSetCurrent")
            if not name.startswith(outside) and not hasattr(self._thread, "context"):
                return lambda *_: (201,)  # CUDA_ERROR_INVALID_CONTEXT
        return super().__getattribute__(name)

    def cuInit(self, flags: int) -> Any:  # noqa: N802
        return (0,)

    def cuDriverGetVersion(self) -> Any:  # noqa: N802
        return 0, self.cuda

    def cuDeviceGet(self, number: int) -> Any:  # noqa: N802
        return 0, number

    def cuDeviceGetName(self, length: int, device: int) -> Any:  # noqa: N802
        return 0, self.name.encode() + b"\0" * 8

    def cuDeviceGetAttribute(self, kind: str, device: int) -> Any:  # noqa: N802
        return 0, int(self.capability[kind == "minor"])

    def cuDevicePrimaryCtxRetain(self, device: int) -> Any:  # noqa: N802
        self.alive.append("context")
        return 0, 1

    def cuDevicePrimaryCtxRelease(self, device: int) -> Any:  # noqa: N802
        self.alive.remove("context")
        return (0,)

    def cuCtxSetCurrent(self, context: int) -> Any:  # noqa: N802
        self._thread.context = context
        return (0,)

    def cuMemHostAlloc(self, size: int, flags: int) -> Any:  # noqa: N802
        held = (ctypes.c_uint8 * size)(*[0xAA] * min(size, 64))
        self.memory[ctypes.addressof(held)] = held
        return 0, ctypes.addressof(held)

    def cuMemAlloc(self, size: int) -> Any:  # noqa: N802
        return self.cuMemHostAlloc(size, 0)

    def cuMemFree(self, address: int) -> Any:  # noqa: N802
        del self.memory[address]
        return (0,)

    cuMemFreeHost = cuMemFree  # noqa: N815

    def cuMemcpyHtoDAsync(self, to: int, source: int, size: int, stream: int) -> Any:  # noqa: N802
        self.queue(stream, lambda: ctypes.memmove(to, source, size))
        return (0,)

    cuMemcpyDtoHAsync = cuMemcpyHtoDAsync  # noqa: N815

    def cuStreamCreate(self, flags: int) -> Any:  # noqa: N802
        self.alive.append("stream")
        self._streams[7] = []
        return 0, 7

    def cuStreamDestroy(self, stream: int) -> Any:  # noqa: N802
        self.alive.remove("stream")
        return (0,)

    def cuStreamSynchronize(self, stream: int) -> Any:  # noqa: N802
        for work in self._streams[stream]:
            work()
        self._streams[stream].clear()
        return (0,)

    def cuStreamBeginCapture(self, stream: int, mode: int) -> Any:  # noqa: N802
        self._recorded = []
        return (0,)

    def cuStreamEndCapture(self, stream: int) -> Any:  # noqa: N802
        recorded, self._recorded = self._recorded, None
        self.alive.append("graph")
        return 0, recorded

    def cuGraphInstantiate(self, graph: list[Work], flags: int) -> Any:  # noqa: N802
        self.alive.append("executable")
        return 0, list(graph)

    def cuGraphDestroy(self, graph: list[Work]) -> Any:  # noqa: N802
        self.alive.remove("graph")
        return (0,)

    def cuGraphExecDestroy(self, graph: list[Work]) -> Any:  # noqa: N802
        self.alive.remove("executable")
        return (0,)

    def cuGraphLaunch(self, graph: list[Work], stream: int) -> Any:  # noqa: N802
        self._streams[stream] += graph
        return (0,)

    def queue(self, stream: int, work: Work) -> None:
        """Put work on the stream, or into the recording."""
        (self._streams[stream] if self._recorded is None else self._recorded).append(work)


class FakeTensorRt:
    """The part of TensorRT's module that runs an engine: its one output holds the mean of its one input."""

    BuilderFlag = SimpleNamespace(FP16=0, INT8=1)

    def __init__(self, driver: FakeDriver, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
        self._driver, self.tensors = driver, tensors
        self.addresses: dict[str, int] = {}

    def Runtime(self, log: Any) -> "FakeTensorRt":  # noqa: N802
        return self

    def deserialize_cuda_engine(self, plan: bytes) -> "FakeTensorRt | None":
        return self if plan == b"plan" else None

    def create_execution_context(self) -> "FakeTensorRt":
        return self

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name][1]

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self.tensors[name][0])

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self._driver.queue(stream, self._compute)
        return True

    def _compute(self) -> None:
        taken, given = (self._read(name) for name in self.tensors)
        given[...] = taken.mean()

    def _read(self, name: str) -> np.ndarray:
        kind, shape = self.tensors[name]
        types = {"UINT8": np.uint8, "FLOAT": np.float32, "HALF": np.float16}
        return (
            np.ctypeslib.as_array(self._driver.memory[self.addresses[name]]).view(types[kind]).reshape(shape)
        )


class FakeCapability(IntEnum):
    """What the fake TensorRT-RTX builds for."""

    CURRENT = 0
    SM86 = 86
    SM89 = 89
    SM120 = 120
