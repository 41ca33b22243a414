"""What ends a command from outside, while it may hold the fire button down."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aimbot.hotkeys import Person

ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP")
"""Ctrl-Z among them: a process that is stopped could not release the button. Windows has the first two."""


@contextmanager
def leave_by_signal(person: Person) -> Iterator[None]:
    """Meanwhile a signal acts as the exit key; at the end it is SystemExit, 128 and the signal's number.

    An exception out of the handler could break off an exchange with the X server half way, after which no
    release gets there any more. A second signal raises, for a command that does not come to its end.
    """
    caught: list[int] = []

    def leave(number: int, _frame: object) -> None:
        person.exiting = True
        caught.append(number)
        if len(caught) > 1:
            sys.exit(128 + number)

    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            sys.exit(128 + caught[0])
