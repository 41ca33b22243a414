"""Waiting for what happens in other threads and processes."""

from collections.abc import Callable

from capture.clock import monotonic_ns, sleep_s


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Whether something became so within five seconds: window managers and watches act in their own time."""
    deadline_ns = monotonic_ns() + 5_000_000_000
    while not is_so() and monotonic_ns() < deadline_ns:
        sleep_s(0.005)
    return is_so()
