"""`calibrate`: measure how a running game turns counts into picture motion, and write its profile."""

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.text import Text

from aimbot.assistant import read_gates
from aimbot.calibration.measure import LATENCY_TRIALS, LINEAR_WITHIN, Calibration, measure_game
from aimbot.calibration.plot import plot_calibration
from aimbot.calibration.probe import Probe
from aimbot.calibration.profile import write_profile
from aimbot.commands.common import Where, gather_settings, open_live, stderr
from aimbot.commands.signals import leave_by_signal
from aimbot.config import Settings, profile_names
from aimbot.hotkeys import HotkeyListener, Person
from aimbot.pointer import open_pointer
from aimbot.protected import refuse_protected
from aimbot.safety import SafetyEnvelope
from capture.clock import monotonic_ns, sleep_s
from capture.errors import UserError
from capture.grabber import Grabber
from capture.window import FocusWatch, Window
from detection.training.report import require_matplotlib

LOOK_HZ = 500.0
"""How often the screen is looked at: a reaction is seen up to 2 ms late."""
REPEAT_S = 0.02
BUDGET_MS = 150.0
"""Nothing is aimed at, so a picture need not be fresh; one this old means that the capture hangs."""
FOCUS_WAIT_S = 10.0
ASPECT_WITHIN = 0.03


def calibrate(
    window: str,
    profile: str,
    overrides: list[str],
    out: Path | None,
    plot: Path | None,
    trials: int = LATENCY_TRIALS,
) -> dict[str, Any]:
    """Measure the game in this window and write its profile; returns the figures.

    Without `out` the profile's own file is written, or else a new one named after the window. `trials`: how
    often the latency is measured.
    """
    settings = gather_settings(profile, overrides, Where(window))
    if plot is not None:
        require_matplotlib()  # before the view is turned for a minute
    out = out or (Path(f"{_make_name(window)}.toml") if profile in profile_names() else Path(profile))
    refuse_protected()
    calibration = _measure(settings, trials)
    aspect = settings.aim.view.pixel_aspect
    write_profile(out, calibration, window, aspect)
    if plot is not None:
        plot_calibration(calibration, plot)
    notes = list_notes(calibration, aspect)
    for note in notes:
        stderr.print(f"note: {note}", markup=False)
    return {
        **calibration.as_json(),
        "look_period_ms": 1e3 / LOOK_HZ,
        "notes": notes,
        "profile": str(out),
        "plot": None if plot is None else str(plot),
    }


def list_notes(calibration: Calibration, pixel_aspect: float) -> list[str]:
    """What the person should know before trusting the figures."""
    notes = []
    if calibration.linear_within > LINEAR_WITHIN:
        notes.append(
            f"degrees per count differ by {calibration.linear_within:.1%} between step sizes; "
            "turn off the game's mouse acceleration and smoothing, and what else keeps the machine busy"
        )
    if calibration.turn_counts is None:
        notes.append(
            "the picture did not come back after a full turn, so the field of view and the yaw rest on steps "
            "alone; calibrate in a scene with little motion of its own"
        )
    pitch = calibration.pitch
    if pitch.motion == "slides":
        notes.append(
            "the picture slides up and down instead of turning, which does not show its vertical scale; "
            f"the pitch is right if the game's pixels are {pixel_aspect:g} times as high as wide "
            "(--set aim.view.pixel_aspect; Doom's are 1.2)"
        )
    elif pitch.pixel_aspect is not None and abs(pitch.pixel_aspect / pixel_aspect - 1) > ASPECT_WITHIN:
        notes.append(
            f"the game's pixels look {pitch.pixel_aspect:.2f} times as high as wide, the profile says "
            f"{pixel_aspect:g}; calibrate again with --set aim.view.pixel_aspect={pitch.pixel_aspect:.2f}"
        )
    return notes


def _measure(settings: Settings, trials: int) -> Calibration:
    capture = settings.capture.model_copy(
        update={"crop_px": "whole", "repeat_s": REPEAT_S, "max_hz": LOOK_HZ}
    )
    person = Person(settings.hotkeys.model_copy(update={"arm": "always"}))
    with ExitStack() as stack:
        stack.enter_context(leave_by_signal(person))
        source, watch = open_live(settings.model_copy(update={"capture": capture}), stack)
        stack.callback(source.close)
        assert source.window is not None
        assert watch is not None
        listener = HotkeyListener(person)
        stack.callback(listener.close)
        live = stack.enter_context(Live(console=stderr, refresh_per_second=4, transient=True))
        keys = settings.hotkeys
        stderr.print(f"the view will turn by itself; {keys.panic} or {keys.exit} stops it", markup=False)
        _wait_focus(source.window, watch)
        envelope = stack.enter_context(
            SafetyEnvelope(
                open_pointer(),
                settings.safety,
                BUDGET_MS,
                monotonic_ns,
                lambda: read_gates(person, watch, monotonic_ns),
            )
        )
        person.on_panic = envelope.stop
        grabber = Grabber(source, monotonic_ns)
        stack.callback(grabber.close)
        probe = Probe(
            grabber, envelope, monotonic_ns, sleep_s, lambda line: live.update(Text(line)), refuse_protected
        )
        return measure_game(probe, settings.aim.view.pixel_aspect, trials)


def _wait_focus(window: Window, watch: FocusWatch) -> None:
    """Ask for the focus, and wait until the window has it; UserError if it does not get it."""
    window.focus()
    deadline_ns = monotonic_ns() + round(FOCUS_WAIT_S * 1e9)
    while not watch.state()[0]:
        if monotonic_ns() > deadline_ns:
            raise UserError(
                f"expected window {window.title!r} to have the focus, it did not get it within "
                f"{FOCUS_WAIT_S:.0f} s; click into it after the start"
            )
        sleep_s(0.05)


def _make_name(window: str) -> str:
    """A file's name from a window's title."""
    return re.sub(r"\W+", "_", window.lower()).strip("_") or "game"
