"""Which TensorRT: RTX, or the classic one of 8.5 to 11; what it supports, and what it complains of."""

import functools
import importlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from capture.errors import UserError, missing_package
from detection.engines.cuda import Card

RuntimeName = Literal["rtx", "classic"]
PACKAGES: dict[RuntimeName, str] = {"rtx": "tensorrt_rtx", "classic": "tensorrt"}
EXTRAS: dict[RuntimeName, str] = {"rtx": "tensorrt-rtx", "classic": "tensorrt"}
TITLES: dict[RuntimeName, str] = {"rtx": "TensorRT-RTX", "classic": "TensorRT"}
# The oldest driver of each CUDA release, from NVIDIA's table of minor version compatibility.
OLDEST_DRIVERS = {11: "450.80", 12: "525.60", 13: "580"}


@dataclass(frozen=True, slots=True)
class Runtime:
    """A TensorRT that is installed: its module, its version, and its log."""

    name: RuntimeName
    version: str
    cuda_major: int
    api: Any
    log: Any

    def __str__(self) -> str:
        return f"{TITLES[self.name]} {self.version}"

    @property
    def is_strictly_typed(self) -> bool:
        """True where precision stands in the ONNX alone: RTX, and classic from 11 on."""
        return not hasattr(self.api.BuilderFlag, "FP16")

    @property
    def capabilities(self) -> tuple[str, ...] | None:
        """Compute capabilities that it builds for; None where that is whatever card is here."""
        if self.name == "classic":
            return None
        names = (name for name in dir(self.api.ComputeCapability) if name.startswith("SM"))
        return tuple(sorted((f"{name[2:-1]}.{name[-1]}" for name in names), key=float))

    def take_complaint(self) -> str:
        """The last error in the log, or the last warning, on one line; the error is taken out."""
        kept = self.log.errors or self.log.warnings or ["it does not say why"]
        last = " ".join(kept[-1].split())
        self.log.errors.clear()
        return last


@functools.cache
def load_runtime(name: RuntimeName) -> Runtime:
    """A TensorRT by its name; UserError, with the command that installs it, if it is missing.

    Loaded once: TensorRT keeps the first log that it is given for the life of the process.
    """
    try:
        api = importlib.import_module(PACKAGES[name])
    except ImportError as error:
        if error.name == PACKAGES[name]:
            raise missing_package(TITLES[name], error.name, EXTRAS[name]) from error
        raise UserError(f"expected {PACKAGES[name]} to import, got: {error}") from error

    class Log(api.ILogger):  # type: ignore[misc, name-defined]
        """Keeps the last errors and warnings, and prints nothing."""

        def __init__(self) -> None:
            api.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=1)
            self.warnings: deque[str] = deque(maxlen=1)

        def log(self, severity: Any, message: str) -> None:
            if severity in (api.ILogger.ERROR, api.ILogger.INTERNAL_ERROR):
                self.errors.append(message)
            elif severity == api.ILogger.WARNING:
                self.warnings.append(message)

    return Runtime(name, api.__version__, _find_cuda_major(name), api, Log())


def choose_runtime(capability: str) -> Runtime:
    """The TensorRT for a card: RTX where it is installed and knows the card, or else the classic one.

    UserError if neither is installed, or if only RTX is and it does not know the card.
    """
    try:
        runtime = load_runtime("rtx")
    except UserError as missing:
        try:
            return load_runtime("classic")
        except UserError:
            raise missing from None
    if capability in (runtime.capabilities or ()):
        return runtime
    try:
        return load_runtime("classic")
    except UserError as missing:
        raise UserError(f"{runtime} does not run on compute capability {capability}: {missing}") from missing


def check_card(runtime: Runtime, card: Card) -> None:
    """UserError if the card is none of the runtime's, or its driver is too old."""
    if card.driver_cuda < (runtime.cuda_major, 0):
        raise UserError(
            f"{runtime} needs an NVIDIA driver for CUDA {runtime.cuda_major} "
            f"({OLDEST_DRIVERS[runtime.cuda_major]} or newer), this one is for CUDA "
            f"{card.driver_cuda[0]}.{card.driver_cuda[1]}; update the driver"
        )
    if runtime.capabilities is not None:
        check_capabilities(runtime, [card.capability])


def check_capabilities(runtime: Runtime, asked: Sequence[str]) -> None:
    """UserError if the runtime builds for none such."""
    known = runtime.capabilities or ()
    wrong = [capability for capability in asked if capability not in known]
    if wrong:
        raise UserError(
            f"expected compute capabilities of {runtime} ({', '.join(known)}), got {', '.join(wrong)}; "
            "for other cards use --runtime classic on the card's machine"
        )


def _find_cuda_major(name: RuntimeName) -> int:
    """The CUDA release that the installed package is for, told from the wheel's name; 8.5 and 8.6 had 11."""
    for major in sorted(OLDEST_DRIVERS, reverse=True):
        try:
            metadata.version(f"{PACKAGES[name]}_cu{major}")
        except metadata.PackageNotFoundError:
            continue
        return major
    return min(OLDEST_DRIVERS)
