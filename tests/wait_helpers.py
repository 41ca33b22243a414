"""Waiting for what happens in other threads and processes."""

from collections.abc import Callable

from capture.clock import monotonic_ns, sleep_s


def wait_until(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether something became so within this time: window managers and watches act in their own."""
    deadline_ns = monotonic_ns() + round(seconds * 1e9)
    while not is_so() and monotonic_ns() < deadline_ns:
        sleep_s(0.005)
    return is_so()
