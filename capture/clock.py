"""The project's only source of time."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns monotonic nanoseconds. Injected everywhere, so that a replay can supply recorded time."""

monotonic_ns: Clock = time.perf_counter_ns


def sleep_s(seconds: float) -> None:
    """Sleep for at least `seconds`; returns at once for zero or less."""
    if seconds > 0:
        time.sleep(seconds)


def local_stamp() -> str:
    """Local wall-clock time as YYYYMMDD-HHMMSS, for naming run folders."""
    return time.strftime("%Y%m%d-%H%M%S")
