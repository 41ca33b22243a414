"""Signals end what moves the mouse as the exit key does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_ultralytics import make_linear_onnx
from wait_helpers import wait_until
from Xlib import X
from Xlib.display import Display
from Xlib.ext import xtest

from aimbot.commands.signals import ENDING, leave_by_signal
from aimbot.hotkeys import HotkeySettings, Person

ROOT = Path(__file__).parent.parent


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


def is_pressed(server: Display) -> bool:
    return bool(server.screen().root.query_pointer().mask & X.Button1Mask)


@pytest.mark.parametrize(
    ("how", "code", "pointer_hz"),
    [
        (signal.SIGTERM, 128 + signal.SIGTERM, 0),
        (signal.SIGTERM, 128 + signal.SIGTERM, 500),
        (signal.SIGHUP, 128 + signal.SIGHUP, 0),
        (signal.SIGQUIT, 128 + signal.SIGQUIT, 0),
        (signal.SIGTSTP, 128 + signal.SIGTSTP, 0),
        (signal.SIGINT, 0, 0),
        (signal.SIGINT, 0, 500),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_a_terminated_run_releases_the_button(
    xvfb_display: str, tmp_path: Path, how: signal.Signals, code: int, pointer_hz: int
) -> None:
    """It fires at what its detector sees always and everywhere, and would hold the button for a minute."""
    row = [[[0, 0, 64, 32, 0.9, 0]]]
    model = make_linear_onnx(tmp_path / "sure.onnx", np.array(row, np.float32))
    sets = [
        f"detector.model={model}",
        "capture.repeat_s=0.01",  # nothing moves on this screen
        "loop.budget_ms=10000",
        f"loop.pointer_hz={pointer_hz}",
        "hotkeys.arm=always",
        "aim.trigger.enabled=true",
        "aim.trigger.press_s=60",
        "aim.trigger.interval_s=60",
        "aim.controller.dead_zone_deg=60",
    ]
    options = [option for one in sets for option in ("--set", one)]
    command = [sys.executable, str(ROOT / "run_aimbot.py"), "run", "--monitor", "1", "--json", *options]
    environment = {**os.environ, "DISPLAY": xvfb_display, "PYTHONUNBUFFERED": "1"}
    server = Display(xvfb_display)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as run:
        try:
            assert wait_until(lambda: is_pressed(server) or run.poll() is not None, 60)
            assert is_pressed(server), run.communicate()
            run.send_signal(how)
            out, errors = run.communicate(timeout=20)
            assert run.returncode == code, errors
            assert not is_pressed(server)
            assert ('"loop_fps"' in out) is (how is signal.SIGINT)
        finally:
            run.kill()
            xtest.fake_input(server, X.ButtonRelease, 1)  # else all tests that follow would have it down
            server.sync()
            server.close()
