"""`demo`: a real game in a window, the assistant playing it, and a report."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from aimbot.assistant import RunPlan, read_gates, run_assistant
from aimbot.commands.common import (
    gather_settings,
    open_live,
    require_vizdoom,
    shipped_recording,
    stderr,
    write_json,
)
from aimbot.commands.replay import replay
from aimbot.commands.signals import leave_by_signal
from aimbot.config import Settings
from aimbot.hand import open_hand
from aimbot.hotkeys import HotkeyListener, Person
from aimbot.levels import open_levels
from aimbot.loop import Step
from aimbot.pointer import Pointer, open_pointer
from aimbot.protected import ProtectionWatch, refuse_protected
from aimbot.report import draw_row, plot_latency
from aimbot.safety import Gates, SafetyEnvelope
from aimbot.target import Command
from capture.clock import local_stamp, monotonic_ns, sleep_s
from capture.errors import UserError
from capture.session import read_session
from capture.window import FocusWatch, find_window
from detection.video import VideoFile

if TYPE_CHECKING:
    from arena.process import GameProcess

SCENARIO = "defend_the_center"
BLIND_STEP_S, BLIND_DEG_PER_S = 0.03, 60.0
GAME_FPS = 35.0
FIRST_MOTION = Command(1, 0, fire=False)
FOCUS_TRIES, FOCUS_TRY_S = 20, 0.1


def demo(seconds: float, out: Path | None, seed: int, overrides: list[str]) -> dict[str, Any]:
    """Play, play blindly for comparison, and leave a report in runs/<time>/; returns the summary."""
    from arena.display import NO_DISPLAY, has_display

    out = out or Path("runs") / local_stamp()
    if not has_display():
        stderr.print(f"{NO_DISPLAY}. Showing the shipped recording instead.", markup=False)
        return show_recording(out)
    require_vizdoom("the demo")
    from arena.display import use_display

    settings = gather_settings("doom", [f"aim.controller.search_deg_per_s={BLIND_DEG_PER_S}", *overrides])
    out.mkdir(parents=True, exist_ok=True)
    with use_display():
        stderr.print(f"the assistant plays {SCENARIO} for {seconds:.0f} s: pixels in, mouse out")
        summary = play(settings, seconds, seed, out / "session")
        stderr.print(f"a blind player turns and fires for {seconds:.0f} s, for comparison")
        summary["baseline"] = play_blind(settings, seconds, seed)
    write_report(out, settings, summary)
    return summary


def play(
    settings: Settings,
    seconds: float,
    seed: int,
    record: Path | None,
    observe: Callable[[Step], None] = lambda _step: None,
) -> dict[str, Any]:
    """The assistant plays one game on the present DISPLAY; returns its score and the loop's figures."""
    from arena.process import GameProcess

    with ExitStack() as stack:
        levels = open_levels(settings)
        stack.callback(levels.detector.close)
        game = stack.enter_context(GameProcess(SCENARIO, seed, {"seconds": seconds}))
        pointer = enter_game(game, settings)
        hand = open_hand(settings.hotkeys.follow_hand, monotonic_ns)
        stack.callback(hand.close)
        source, watch = open_live(settings, stack)
        live = stack.enter_context(Live(console=stderr, refresh_per_second=4, transient=True))
        plan = RunPlan(
            settings,
            source,
            levels.detector,
            pointer,
            attend_person(settings, stack),
            watch,
            seconds + 30,
            record,
            hand,
            header={"scenario": SCENARIO, "seed": seed},
            report=lambda line: live.update(Text(line)),
            finished=lambda: game.over,
            observe=observe,
            governor=levels.governor,
            rungs=levels.rungs,
        )
        game.go()
        figures = run_assistant(plan)
        score = take_score(game, plan.person)
    return {**score, "model": settings.detector.model, **figures}


def play_blind(settings: Settings, seconds: float, seed: int) -> dict[str, Any]:
    """Turn at a constant speed and fire all the while, through the same envelope, seeing nothing."""
    from arena.process import GameProcess

    with ExitStack() as stack:
        game = stack.enter_context(GameProcess(SCENARIO, seed, {"seconds": seconds}))
        pointer = enter_game(game, settings)
        window = stack.enter_context(closing(find_window(settings.capture.window or game.window_title)))
        focus = stack.enter_context(closing(FocusWatch(window, monotonic_ns)))
        person = attend_person(settings, stack)
        envelope = stack.enter_context(
            SafetyEnvelope(
                pointer, settings.safety, 1e3, monotonic_ns, lambda: read_gates(person, focus, monotonic_ns)
            )
        )
        person.on_panic = envelope.stop
        protection = ProtectionWatch(envelope.stop)
        stack.callback(protection.close)
        game.go()
        step = round(BLIND_DEG_PER_S * BLIND_STEP_S / settings.aim.view.yaw_deg_per_count)
        turns = 0
        while not (game.over or person.exiting):
            protection.check()
            turns += 1
            envelope.apply(Command(step, 0, fire=turns % 10 < 3), monotonic_ns())
            sleep_s(BLIND_STEP_S)
        return take_score(game, person)


def take_score(game: "GameProcess", person: Person) -> dict[str, Any]:
    """The game's score; UserError if the person ended it before."""
    if person.exiting:
        raise UserError("expected the game to be played to its end, the exit key ended it; start it again")
    return game.wait_score()


def attend_person(settings: Settings, stack: ExitStack) -> Person:
    """Someone who always wants to aim, and whose keys are heard where there is anyone to press them.

    Signals end what the stack holds, as the exit key does.
    """
    from arena.display import is_own

    person = Person(settings.hotkeys.model_copy(update={"arm": "always"}))
    stack.enter_context(leave_by_signal(person))
    if not is_own():
        stack.callback(HotkeyListener(person).close)
    return person


def enter_game(game: Any, settings: Settings) -> Pointer:
    """Wait for the window, give it the focus, and send the first motion, which the game loses.

    A window that does not get the focus gets no motion either.
    """
    refuse_protected()
    game.wait_ready()
    window = find_window(settings.capture.window or game.window_title)
    with (
        closing(window),
        SafetyEnvelope(
            open_pointer(), settings.safety, 1e3, monotonic_ns, lambda: Gates(True, window.focused())
        ) as envelope,
    ):
        window.focus()
        refuse_protected()
        for _ in range(FOCUS_TRIES):
            if not envelope.apply(FIRST_MOTION, monotonic_ns()).refused:
                break
            sleep_s(FOCUS_TRY_S)
    sleep_s(0.3)
    return open_pointer()


def write_report(out: Path, settings: Settings, summary: dict[str, Any]) -> None:
    """summary.json, latency.png and annotated.mp4 beside the session."""
    write_json(out / "summary.json", summary)
    session = read_session(out / "session")
    plot_latency(session.rows, out / "latency.png", settings.loop.budget_ms)
    with VideoFile(out / "annotated.mp4", GAME_FPS) as video:
        for frame, row in zip(session.iterate_frames(), session.rows, strict=False):
            video.write(draw_row(frame.pixels, row, session.header["class_names"]))
    summary["out"] = str(out)


def show_recording(out: Path) -> dict[str, Any]:
    """The same report on the recording that is shipped: what was decided then is decided again."""
    recording = shipped_recording()
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(recording, out / "session", dirs_exist_ok=True)
    session = read_session(recording)
    summary = dict(session.header["summary"])
    summary["replay"] = replay(recording, None, [], None, video=False, redetect=False)
    settings = gather_settings("doom", [])
    write_report(out, settings, summary)
    return summary


def print_summary(summary: dict[str, Any]) -> None:
    """The report as a table."""
    baseline = summary.get("baseline", {})
    table = Table("figure", "assistant", "blind fire", title=f"{SCENARIO}, {summary['seconds']:.0f} s")
    for name in ("kills", "shots", "hits", "hit_rate", "kills_a_minute", "time_to_target_ms", "overshoots"):
        table.add_row(name, str(summary.get(name, "")), str(baseline.get(name, "")))
    kills = [episode["kills"] for episode in summary["episodes"]]
    blind = [episode["kills"] for episode in baseline.get("episodes", [])]
    table.add_row("kills by episode", str(kills), str(blind))
    table.add_row("game FPS", str(summary.get("game_fps", "")), str(baseline.get("game_fps", "")))
    table.add_row("loop FPS", str(summary["loop_fps"]), "")
    age = summary["age_at_move_ms"]
    table.add_row("age at move p50 / p99, ms", f"{age.get('p50')} / {age.get('p99')}", "")
    table.add_row("late frames", str(summary["late"]), "")
    stderr.print(table)
    stderr.print(f"report: {summary['out']}", markup=False)
