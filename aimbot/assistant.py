"""Put the parts together for one run, and take them apart again whatever happens."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aimbot.aimer import Aimer
from aimbot.config import Settings, SettingsFile
from aimbot.governor import Governor
from aimbot.hand import HandMotion, NoHand
from aimbot.hotkeys import Person
from aimbot.levels import encode_rungs
from aimbot.loop import AimLoop, Step
from aimbot.pointer import Pointer
from aimbot.pointer_thread import PointerThread
from aimbot.protected import ProtectionWatch, refuse_protected
from aimbot.rows import encode_step
from aimbot.safety import Gates, SafetyEnvelope
from aimbot.selector import check_class_names
from aimbot.telemetry import Telemetry
from capture.clock import Clock, monotonic_ns
from capture.errors import UserError
from capture.frame import Region
from capture.grabber import Grabber
from capture.recorder import SessionRecorder
from capture.source import FrameSource
from detection.detector import Detector
from detection.ladder import Rung

WATCH_S = 0.03
"""How often the fire button is looked after."""
HOUSEKEEPING_EVERY = 16  # of these rounds: about half a second
PRESS_MARGIN_S = 0.1
"""A press that lasts so much longer than `press_s` is ended without the loop."""
FOCUS_FRESH_NS = 250_000_000


class Focus(Protocol):
    """Knows whether the game's window has the focus."""

    def state(self) -> tuple[bool, int]:
        """Whether it has, and when that was checked (monotonic ns)."""


@dataclass(slots=True)
class RunPlan:
    """What one run is made of."""

    settings: Settings
    source: FrameSource
    detector: Detector
    pointer: Pointer
    person: Person
    focus: Focus | None = None
    seconds: float | None = None
    record: Path | None = None
    hand: HandMotion = field(default_factory=NoHand)
    header: dict[str, Any] = field(default_factory=dict)
    watch: SettingsFile | None = None
    report: Callable[[str], None] = lambda _line: None
    finished: Callable[[], bool] = lambda: False
    aimer: Aimer | None = None
    """Decides instead of the product's own: a reference to compare it with."""
    observe: Callable[[Step], None] = lambda _step: None
    """Is shown each frame on the loop's thread; it must not block."""
    clock: Clock = monotonic_ns
    governor: Governor = field(default_factory=Governor)
    """Sets the level of a detector that has several: `rungs`."""
    rungs: Sequence[Rung] = ()


def run_assistant(plan: RunPlan) -> dict[str, Any]:
    """Run until the time is over, the person exits, or the source ends; returns the summary.

    UserError if a protected game runs at the start; one that starts later stops the run. UserError also for
    settings that name classes which the detector does not know.
    """
    refuse_protected()
    plan.settings = fill_game_width(plan.settings, plan)
    settings, clock = plan.settings, plan.clock
    check_class_names(settings.aim.selector, plan.detector.class_names)
    telemetry = Telemetry()
    aimer = plan.aimer or Aimer(settings.aim, plan.detector.class_names)
    with ExitStack() as stack:
        envelope = stack.enter_context(
            SafetyEnvelope(
                plan.pointer,
                settings.safety,
                settings.loop.budget_ms,
                clock,
                lambda: read_gates(plan.person, plan.focus, clock),
            )
        )
        plan.person.on_panic = envelope.stop
        grabber = Grabber(plan.source, clock)
        stack.callback(grabber.close)
        follower = None
        if settings.loop.pointer_hz and plan.aimer is None:  # a reference makes each move by itself
            follower = stack.enter_context(PointerThread(envelope, clock, settings.loop.pointer_hz))
        loop = AimLoop(plan.detector, aimer, envelope, telemetry, clock, plan.hand, plan.governor, follower)
        plan.governor.start()
        recorder = _open_recorder(plan, stack)
        protection = ProtectionWatch(envelope.stop)
        stack.callback(protection.close)
        keeper = Housekeeper(plan, loop, envelope, telemetry)
        stack.callback(keeper.close)
        started_ns = clock()

        def finished() -> bool:
            over = plan.seconds is not None and clock() - started_ns >= plan.seconds * 1e9
            is_watched = protection.fault is None and keeper.fault is None
            return over or plan.person.exiting or not is_watched or plan.finished()

        def observe(step: Step) -> None:
            plan.observe(step)
            if recorder is not None:
                recorder.write(step.frame, encode_step(step))

        stack.callback(envelope.stop)  # first: the recorder may have to write for seconds
        loop.run(grabber, finished, observe)
    if follower is not None:
        follower.check()
    protection.check()
    keeper.check()
    summary = telemetry.summary()
    summary["capture"] = {
        "grabbed": grabber.grabbed,
        "unchanged": grabber.unchanged,
        "overwritten": grabber.overwritten,
    }
    if plan.rungs:
        summary["levels"] = [{**row, "name": str(plan.rungs[row["level"]])} for row in telemetry.levels()]
        summary["level_changes"] = [list(change) for change in telemetry.level_changes]
    summary["refusals"] = {reason.value: count for reason, count in envelope.refusals.items()}
    if recorder is not None:
        summary["recorder"] = {
            "written": recorder.written,
            "dropped": recorder.dropped,
            "other_size": recorder.other_size,
        }
        if recorder.other_size:
            plan.report(f"not recorded: {recorder.other_size} frames of another size than the first")
    return summary


def read_gates(person: Person, focus: Focus | None, clock: Clock) -> Gates:
    """Armed and focused now; a focus check that is old counts as no focus."""
    if focus is None:
        return Gates(person.armed, True)
    focused, checked_ns = focus.state()
    return Gates(person.armed, focused and clock() - checked_ns <= FOCUS_FRESH_NS)


def fill_game_width(settings: Settings, plan: RunPlan) -> Settings:
    """The settings with the width of what the plan's source crops, where they leave `game_width_px` open."""
    whole: Region | None = getattr(plan.source, "whole", None)  # recordings have none
    view = settings.aim.view
    if whole is None or plan.settings.capture.crop_px == "whole" or view.game_width_px is not None:
        return settings
    view = view.model_copy(update={"game_width_px": whole.width_px})
    return settings.model_copy(update={"aim": settings.aim.model_copy(update={"view": view})})


def _open_recorder(plan: RunPlan, stack: ExitStack) -> SessionRecorder | None:
    if plan.record is None:
        return None
    header = {
        **plan.header,
        "settings": plan.settings.model_dump(mode="json"),
        "class_names": list(plan.detector.class_names),
        "levels": encode_rungs(plan.rungs),
    }
    return stack.enter_context(
        SessionRecorder(plan.record, header, fps_hint=60.0, codec=plan.settings.recorder.codec)
    )


class Housekeeper:
    """Off the loop's thread: the live line, reload of changed settings, and the watch of the fire button.

    A loop that waits for its detector would leave that down.
    """

    def __init__(self, plan: RunPlan, loop: AimLoop, envelope: SafetyEnvelope, telemetry: Telemetry) -> None:
        self._plan, self._loop, self._envelope, self._telemetry = plan, loop, envelope, telemetry
        self._press_s = plan.settings.aim.trigger.press_s
        self._wake = threading.Event()
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and join the thread."""
        self._wake.set()
        self._thread.join()

    def check(self) -> None:
        """UserError if nobody watches any more."""
        if self.fault is not None:
            raise UserError(self.fault)

    def _run(self) -> None:
        try:
            self._keep()
        except Exception as error:  # nobody would watch any more: the run ends
            self.fault = f"expected to watch the fire button and the settings, which failed: {error!r}"
            self._envelope.stop()

    def _keep(self) -> None:
        rounds = 0
        while not self._wake.wait(WATCH_S):
            rounds += 1
            self._envelope.release_late(self._press_s + PRESS_MARGIN_S)
            if rounds % HOUSEKEEPING_EVERY == 0:
                self._reload()
                self._plan.report(self._live_line())

    def _reload(self) -> None:
        if self._plan.watch is None:
            return
        try:
            settings = self._plan.watch.poll()
            if settings is not None:
                check_class_names(settings.aim.selector, self._plan.detector.class_names)
        except UserError as error:
            self._plan.report(f"settings not reloaded, the old ones stay: {error}")
            return
        if settings is not None:
            self._loop.change(fill_game_width(settings, self._plan).change())
            self._press_s = settings.aim.trigger.press_s
            # The first ones, for the plan's have the command line's window in them, and a crop.
            fixed = self._plan.watch.first.list_fixed(settings)
            later = f"; {', '.join(fixed)}: after a restart" if fixed else ""
            self._plan.report(f"settings reloaded{later}")

    def _live_line(self) -> str:
        recent, counts = self._telemetry.recent(), self._telemetry.counts
        person, rungs = self._plan.person, self._plan.rungs
        state = "armed" if person.armed else "panic" if person.panicked else "idle"
        return (
            f"{recent['fps']:5.1f} FPS  detect {recent['detect_ms']:5.1f} ms  "
            f"age {recent['age_ms']:5.1f} ms  "
            f"frames {counts['frames']}  late {counts['late']}  moves {counts['moves']}  {state}"
            + (f"  level {self._telemetry.level}: {rungs[self._telemetry.level]}" if rungs else "")
        )
