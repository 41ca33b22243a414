"""`run`: assist in a game that is on the screen; `record`: only watch and write it down."""

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.text import Text

from aimbot.assistant import RunPlan, run_assistant
from aimbot.commands.common import Where, crop_to, gather_settings, open_live, print_note, stderr
from aimbot.commands.signals import leave_by_signal
from aimbot.config import SettingsFile
from aimbot.hand import open_hand
from aimbot.hotkeys import HotkeyListener, Person
from aimbot.levels import open_levels
from aimbot.pointer import NullPointer, Pointer, open_pointer
from aimbot.protected import ProtectionWatch, refuse_protected
from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.grabber import Grabber
from capture.recorder import SessionRecorder


def run(
    where: Where,
    profile: str,
    overrides: list[str],
    arm: str | None,
    no_fire: bool,
    dry_run: bool,
    record: Path | None,
    seconds: float | None,
) -> dict[str, Any]:
    """Assist until the exit key, the end of the time, or the window's end; returns the summary."""
    if arm is not None:
        overrides = [*overrides, f'hotkeys.arm="{arm}"']
    if no_fire:
        overrides = [*overrides, "safety.allow_fire=false"]
    profile_file = SettingsFile(profile, overrides)  # before the detector opens: an edit meanwhile counts
    settings = gather_settings(profile, overrides, where)
    refuse_protected()
    with ExitStack() as stack:
        levels = open_levels(settings)
        stack.callback(levels.detector.close)
        settings = crop_to(settings, levels.detector.input_size_wh)
        source, watch = open_live(settings, stack)
        stack.callback(source.close)
        person = Person(settings.hotkeys)
        stack.enter_context(leave_by_signal(person))
        stack.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))

        def leave(_signal: int, _frame: object) -> None:
            person.exiting = True

        signal.signal(signal.SIGINT, leave)  # Ctrl-C ends the run as the exit key does, with its summary
        listener = HotkeyListener(person)
        stack.callback(listener.close)
        pointer: Pointer = NullPointer() if dry_run else open_pointer()
        hand = open_hand(settings.hotkeys.follow_hand, monotonic_ns)
        stack.callback(hand.close)
        live = stack.enter_context(Live(console=stderr, refresh_per_second=4, transient=True))

        def report(line: str) -> None:
            if "FPS" in line:
                live.update(Text(line))
            else:
                stderr.print(line, markup=False)

        keys = settings.hotkeys
        stderr.print(
            f"aim: {keys.aim} ({keys.arm})  pause: {keys.pause}  panic: {keys.panic}  exit: {keys.exit}"
            + ("  [dry run: nothing moves]" if dry_run else ""),
            markup=False,
        )
        plan = RunPlan(
            settings, source, levels.detector, pointer, person, watch, seconds, record, hand, report=report
        )
        plan.governor, plan.rungs = levels.governor, levels.rungs
        plan.watch = profile_file
        return run_assistant(plan)


def record(
    where: Where, profile: str, overrides: list[str], out: Path, seconds: float | None
) -> dict[str, Any]:
    """Record what a window or region shows until the time is over, its window closes or changes its size, or
    Ctrl-C; `ended` of the result says which.

    UserError if a protected game runs, or starts meanwhile; what was recorded before stays.
    """
    settings = gather_settings(profile, overrides, where)
    refuse_protected()
    if settings.capture.crop_px == "detector":
        settings = crop_to(settings, "whole")
    with ExitStack() as stack:
        source, _watch = open_live(settings, stack)
        grabber = Grabber(source, monotonic_ns)
        stack.callback(grabber.close)
        header = {"settings": settings.model_dump(mode="json")}
        recorder = stack.enter_context(
            SessionRecorder(out, header, fps_hint=60.0, codec=settings.recorder.codec)
        )
        watch = ProtectionWatch()
        stack.callback(watch.close)
        try:
            ended = _record_frames(grabber, recorder, watch, seconds)
        except KeyboardInterrupt:
            ended = "stopped"
        recorder.close()
    if recorder.written == 0:
        raise UserError(f"expected frames to record, the screen showed none in time; {out} is empty")
    print_note(f"the recording ended: {ended}")
    return {"out": str(out), "frames": recorder.written, "dropped": recorder.dropped, "ended": ended}


def _record_frames(
    grabber: Grabber, recorder: SessionRecorder, watch: ProtectionWatch, seconds: float | None
) -> str:
    """Record until something ends it; returns what."""
    started_ns = monotonic_ns()
    size_wh: tuple[int, int] | None = None
    while seconds is None or monotonic_ns() - started_ns < seconds * 1e9:
        watch.check()
        frame = grabber.take(0.1)
        if frame is None:
            if grabber.ended:
                return "the window was closed"
            continue
        size_wh = size_wh or frame.size_wh
        if frame.size_wh != size_wh:
            before, after = (f"{width}x{height}" for width, height in (size_wh, frame.size_wh))
            return f"the picture's size changed from {before} to {after}; record again"
        recorder.write(frame, {})
    return "the time is over"
