"""Signals end what moves the mouse as the exit key does."""

import signal
from collections.abc import Iterable, Iterator

import pytest

from aimbot.commands.signals import ENDING, leave_by_signal
from aimbot.hotkeys import HotkeySettings, Person


def receive(person: Person, numbers: Iterable[int]) -> Iterator[bool]:
    """Whether the person is armed before and after each signal."""
    with leave_by_signal(person):
        yield person.armed
        for number in numbers:
            signal.raise_signal(number)
            yield person.armed


@pytest.mark.parametrize("name", ENDING)
def test_a_signal_disarms_at_once_and_raises_only_at_the_end(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    run = receive(Person(HotkeySettings(arm="always")), [number])
    assert [next(run), next(run)] == [True, False]
    with pytest.raises(SystemExit) as ended:
        next(run)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_what_does_not_come_to_its_end() -> None:
    run = receive(Person(HotkeySettings(arm="always")), [signal.SIGTERM] * 2)
    assert [next(run), next(run)] == [True, False]
    with pytest.raises(SystemExit):
        next(run)
    assert list(run) == []


def test_without_a_signal_nothing_ends() -> None:
    person = Person(HotkeySettings())
    with leave_by_signal(person):
        pass
    assert not person.exiting
