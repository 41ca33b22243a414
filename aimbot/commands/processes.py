"""Tasks over processes of their own, each tied to this one by a pipe alone, so that none outlives it."""

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from capture.errors import UserError

PATIENCE_S = 3.0
"""How long a process may take to end by itself: it looks at its pipe once a frame."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a process sends when it is done with its task."""

    result: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """What a process sends that can do no task at all: the line of a UserError."""

    reason: str


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of a task whose process was ended from outside, by a signal of this number."""

    signal: int


Serve = Callable[[Connection], None]
"""Runs in the process: for each task that it receives it sends a Done, and what it likes before that."""
Hear = Callable[[int, Any], None]
"""Takes a task's index and what its process sent about it."""


class Worker:
    """A process, the pipe to it, and the index of its task."""

    def __init__(self, serve: Serve) -> None:
        context = get_context("spawn")  # not forked: progress bars and detectors have threads
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve_quietly, args=(serve, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, index: int, task: Any) -> None:
        """Send a task; that a process is gone shows when it is listened to."""
        self.index = index
        with suppress(ConnectionError):
            self.pipe.send(task)

    def receive(self) -> Any:
        """What was sent, or Killed; RuntimeError if the process failed, which has printed why."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            code = self.end()
        if code >= 0:
            raise RuntimeError(f"a process ended with exit code {code}")
        return Killed(-code)

    def end(self) -> int:
        """Close the pipe, wait for the process, and stop one that takes too long; its exit code."""
        self.pipe.close()
        self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return self._process.exitcode or 0


def share_out(tasks: Sequence[Any], jobs: int, serve: Serve, hear: Hear) -> list[Done | Killed]:
    """What became of each task, in the tasks' order, from up to `jobs` processes at once.

    UserError if a process refuses. Whatever ends this call, all its processes have ended with it.
    """
    waiting, outcomes = deque(enumerate(tasks)), dict[int, Done | Killed]()
    workers: dict[Any, Worker] = {}
    try:
        while len(outcomes) < len(tasks):
            while waiting and len(workers) < jobs:
                with _interrupts_postponed():
                    worker = Worker(serve)
                    workers[worker.pipe] = worker
                worker.give(*waiting.popleft())
            for pipe in wait(list(workers)):
                worker = workers[pipe]
                message = worker.receive()
                if isinstance(message, Refused):
                    raise UserError(message.reason)
                hear(worker.index, message)
                if not isinstance(message, Done | Killed):
                    continue
                outcomes[worker.index] = message
                if waiting and isinstance(message, Done):
                    worker.give(*waiting.popleft())
                else:
                    workers.pop(pipe).end()
    finally:
        for worker in workers.values():
            worker.pipe.close()
        for worker in workers.values():
            worker.end()
    return [outcomes[index] for index in range(len(tasks))]


def _serve_quietly(serve: Serve, pipe: Connection) -> None:
    with suppress(EOFError, ConnectionError):  # the other end is closed: nobody waits for the rest
        serve(pipe)


@contextmanager
def _interrupts_postponed() -> Iterator[None]:
    """What ends this process comes afterwards; Ctrl-C never comes to a process started meanwhile."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # its own start, with the first process, would let signals through
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    # Inherited by what is started: a terminal sends Ctrl-C to all.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    for caught_number in caught:
        signal.raise_signal(caught_number)
