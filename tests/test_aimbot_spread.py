"""The loop and its pointer thread: an exact ledger, a trigger that goes by what was sent, like replays."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aim_helpers import (
    MS,
    LoggingPointer,
    ScriptedDetector,
    SetClock,
    doom_view,
    make_detections,
    make_frame,
)

from aimbot.aimer import Aimer, AimSettings
from aimbot.assistant import RunPlan, run_assistant
from aimbot.commands.replay import replay
from aimbot.config import load_settings
from aimbot.hand import OwnMoves, RawMove
from aimbot.hotkeys import HotkeySettings, Person
from aimbot.identities import Identifier
from aimbot.ledger import TimedMove
from aimbot.loop import AimLoop, Step
from aimbot.pointer_thread import PointerThread
from aimbot.replaying import RecordedDetector, Replayer, compare_step
from aimbot.rows import encode_step
from aimbot.safety import Gates, Refusal, SafetyEnvelope, SafetySettings
from aimbot.target import INERT
from aimbot.telemetry import Telemetry
from capture.clock import monotonic_ns, sleep_s
from capture.frame import Frame
from capture.replay import ReplaySource
from capture.session import read_session

PERIOD_NS = 2 * MS


class SystemHand:
    """Shows every motion, as X11 does: those of the pointer come back, beside the person's own."""

    def __init__(self, pointer: LoggingPointer) -> None:
        self._pointer, self._read, self._own = pointer, 0, OwnMoves()
        self.moves: list[TimedMove] = []

    def take(self) -> list[TimedMove]:
        events = [event for event in self._pointer.events if event[0] == "move"]
        raw = [RawMove(0, float(str(dx)), float(str(dy))) for _, dx, dy in events[self._read :]]
        raw += [RawMove(move.time_ns, move.dx_counts, move.dy_counts) for move in self.moves]
        self._read, self.moves = len(events), []
        return self._own.leave_out(raw)

    def sent(self, dx_counts: int, dy_counts: int) -> None:
        self._own.sent(dx_counts, dy_counts)

    def close(self) -> None:
        pass


class Rig:
    """A loop at 35 frames a second, and the steps of its pointer thread between them."""

    def __init__(self, **aim: object) -> None:
        self.settings = AimSettings.model_validate(
            {"view": doom_view(), "controller": {"smoothing_s": 0.05}, **aim}
        )
        self.clock, self.pointer, self.detector = SetClock(90 * MS), LoggingPointer(), ScriptedDetector()
        self.gates, self.hand = Gates(True, True), SystemHand(self.pointer)
        self.envelope = SafetyEnvelope(self.pointer, SafetySettings(), 80, self.clock, lambda: self.gates)
        self.aimer = Aimer(self.settings, self.detector.class_names)
        self.follower = PointerThread(self.envelope, self.clock, 500)
        self.telemetry = Telemetry()
        self.loop = AimLoop(
            self.detector,
            self.aimer,
            self.envelope,
            self.telemetry,
            self.clock,
            self.hand,
            follower=self.follower,
        )

    def step(self, index: int, x_px: float | None = 400, age_ms: float = 10) -> Step:
        """The steps until the frame is decided on, and that."""
        captured_ns = (100 + 28 * index) * MS
        decided_ns = captured_ns + round(age_ms * MS)
        while self.clock.now_ns < decided_ns:
            self.clock.now_ns = min(self.clock.now_ns + PERIOD_NS, decided_ns)
            self.follower.advance()
        self.detector.answer = make_detections([] if x_px is None else [[x_px - 20, 200, x_px + 20, 280]])
        return self.loop.step(make_frame(index, captured_ns))


def test_the_ledger_holds_every_step_at_its_own_time_once_also_where_the_system_shows_them() -> None:
    rig = Rig()
    for index in range(12):
        rig.hand.moves = [TimedMove((100 + 28 * index) * MS + 7, 3, -1)]
        step = rig.step(index)
        assert step.moves is not None
        assert [move.dx_counts for move in step.hand] == [3]
        sent = rig.pointer.total
        assert rig.aimer.ledger.total == (sent[0] + 3 * (index + 1), sent[1] - (index + 1))
        assert len({move.time_ns for move in step.moves}) == len(step.moves)
        for move in step.moves:
            before = rig.aimer.ledger.total_at(move.time_ns - 1)
            after = rig.aimer.ledger.total_at(move.time_ns)
            assert (after[0] - before[0], after[1] - before[1]) == (move.dx_counts, move.dy_counts)
    assert sum(event[0] == "move" for event in rig.pointer.events) > 20
    assert rig.telemetry.counts["moves"] == 11


def test_a_frame_itself_moves_nothing_and_its_target_is_reached_in_small_steps() -> None:
    rig = Rig()
    steps = [rig.step(index) for index in range(12)]
    assert {(step.command.dx_counts, step.applied.dx_counts) for step in steps} == {(0, 0)}
    moved = [abs(int(str(event[1]))) for event in rig.pointer.events if event[0] == "move"]
    assert steps[0].target is not None
    whole = steps[0].target.bearing_counts[0]
    assert sum(moved) > 0.8 * whole
    assert max(moved) < 0.06 * whole


def test_a_frame_that_is_refused_or_shows_no_target_stops_the_motion() -> None:
    for stopped in ({"age_ms": 81}, {"x_px": None}):
        rig = Rig(tracker={"coast_s": 0.001})
        rig.step(0)
        rig.step(1)
        rig.step(2, **stopped)  # type: ignore[arg-type]
        before = rig.pointer.total
        rig.clock.now_ns += 10 * MS
        assert rig.follower.advance() is None
        assert rig.pointer.total == before


def test_a_frame_that_is_refused_gives_the_thread_nothing_to_be_refused_again() -> None:
    rig = Rig()
    rig.step(0)
    rig.follower.take()
    rig.gates = Gates(False, True)
    rig.loop.step(make_frame(1, rig.clock.now_ns))
    rig.clock.now_ns += 10 * MS
    assert rig.follower.advance() is None
    assert rig.envelope.refusals == {Refusal.NOT_ARMED: 1}


def test_without_a_target_it_searches_in_small_steps_and_looks_level_again() -> None:
    rig = Rig(controller={"search_deg_per_s": 120, "search_after_s": 0.1})
    rig.aimer.turned([TimedMove(1, 0, 20)])
    steps = [rig.step(index, None) for index in range(20)]
    assert {step.command for step in steps} == {INERT}
    moved = [event for event in rig.pointer.events if event[0] == "move"]
    assert max(abs(int(str(event[1]))) for event in moved) <= 3
    assert rig.pointer.total[0] * 0.1318 == pytest.approx(120 * 0.028 * 15, rel=0.1)
    assert rig.aimer.ledger.total[1] in (0, 1)


def test_the_trigger_waits_until_the_steps_have_brought_the_crosshair_there() -> None:
    rig = Rig(trigger={"enabled": True}, controller={"smoothing_s": 0.05, "dead_zone_share": 0.0})
    steps = []
    for index in range(12):
        angle = rig.aimer.ledger.total[0] * 0.1318 if index else 0.0
        steps.append(rig.step(index, 400 - angle * 5.6))
    first = next(index for index, step in enumerate(steps) if step.command.fire)
    assert 2 <= first < 10
    sent = 0
    for step in steps[: first + 1]:
        assert step.target is not None
        sent += sum(move.dx_counts for move in step.moves or ())
        lead_s = 0.03 * rig.settings.controller.lead
        off = step.target.centre_counts[0] + step.target.velocity_counts_per_s[0] * lead_s - sent
        assert step.command.fire == (abs(off) <= 0.75 * step.target.half_size_counts[0])
    press = rig.pointer.events.index(("press",))
    assert rig.pointer.events[press + 1][0] == "move"  # the way goes on while the button is down


def record(rig: Rig) -> tuple[list[Step], list[dict[str, object]]]:
    steps = []
    for index in range(40):
        rig.gates = Gates(index not in (20, 21), True)
        rig.hand.moves = [TimedMove((95 + 28 * index) * MS, 2, index % 3 - 1)]
        x_px = None if index in (8, 9) else 420 - 3 * index
        steps.append(rig.step(index, x_px, age_ms=81 if index == 30 else 10))
    rows = [json.loads(json.dumps({"frame_id": i, **encode_step(step)})) for i, step in enumerate(steps)]
    return steps, rows


def replay_rows(rig: Rig, steps: list[Step], rows: list[dict[str, object]]) -> list[dict[str, object]]:
    detector = RecordedDetector({int(str(row["frame_id"])): row for row in rows}, rig.detector.class_names)
    replayer = Replayer(detector, rig.settings, SafetySettings(), 80, is_spread=True)
    return [
        found
        for step, row in zip(steps, rows, strict=True)
        for found in compare_step(replayer.step(step.frame, row), row)
    ]


def test_a_replay_of_spread_motion_decides_exactly_alike() -> None:
    rig = Rig(trigger={"enabled": True}, controller={"smoothing_s": 0.05, "search_deg_per_s": 60})
    steps, rows = record(rig)
    assert replay_rows(rig, steps, rows) == []
    assert sum(len(step.moves or ()) for step in steps) > 100
    assert {bool(row["command"]["fire"]) for row in rows} == {True, False}  # type: ignore[index]
    refusals = [step.applied.refusal for step in steps]
    assert (refusals.count(Refusal.NOT_ARMED), refusals.count(Refusal.STALE)) == (2, 1)


def test_a_replay_tells_a_way_that_differs_and_needs_the_moves() -> None:
    rig = Rig()
    steps, rows = record(rig)
    for row in rows[20:]:
        row["moves"] = []
    assert {found["stage"] for found in replay_rows(rig, steps, rows)} == {"target", "trajectory"}
    rows[5]["trajectory"] = None
    assert replay_rows(rig, steps[:6], rows[:6])[0]["stage"] == "trajectory"


def test_identities_follow_the_moves_between_frames_of_a_recording() -> None:
    boxes = [[300.0, 200.0, 320.0, 280.0], [400.0, 200.0, 420.0, 280.0]]
    shifted = [[box[0] - 100, box[1], box[2] - 100, box[3]] for box in boxes]
    identifier = Identifier(
        AimSettings(view=doom_view()), ("monster", "friend"), {1: {"moves": [[40 * MS, 130, 0]]}}
    )
    first = identifier.identify(make_frame(0, 0), make_detections(boxes))
    assert first == identifier.identify(make_frame(1, 100 * MS), make_detections(shifted))


def make_plan(pointer: LoggingPointer, count: int = 30) -> RunPlan:
    def frames() -> Iterator[Frame]:
        for index in range(count):
            sleep_s(0.02)
            yield make_frame(index, monotonic_ns())

    detector = ScriptedDetector()
    detector.answer = make_detections([[420, 200, 460, 280]])
    settings = load_settings("default", ["loop.budget_ms=500", "loop.pointer_hz=500"])
    person = Person(HotkeySettings.model_validate({"arm": "always"}))
    source = ReplaySource(frames(), monotonic_ns, paced=False)
    return RunPlan(settings, source, detector, pointer, person)


def test_a_run_moves_between_frames_replays_alike_and_leaves_no_thread(tmp_path: Path) -> None:
    before, pointer = threading.active_count(), LoggingPointer()
    plan = make_plan(pointer)
    plan.record = tmp_path / "session"
    summary = run_assistant(plan)
    assert threading.active_count() == before
    moves = [event for event in pointer.events if event[0] == "move"]
    assert len(moves) > 3 * summary["frames"]
    assert pointer.events[-1] == ("close",)
    rows = read_session(plan.record).rows
    recorded = [move for row in rows for move in row["moves"]]
    assert recorded == [[move[0], *event[1:]] for move, event in zip(recorded, moves, strict=False)]
    result = replay(plan.record, None, [], None, False, False)
    assert (result["frames"], result["mismatches"]) == (summary["frames"], [])


def test_a_pointer_that_fails_between_frames_ends_the_run_with_its_error() -> None:
    class Broken(LoggingPointer):
        def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
            raise OSError("the mouse is gone")

    before, pointer = threading.active_count(), Broken()
    with pytest.raises(OSError, match="the mouse is gone"):
        run_assistant(make_plan(pointer, 10_000))
    assert threading.active_count() == before
    assert pointer.events == [("close",)]


def test_the_panic_key_stops_the_motion_between_two_frames() -> None:
    class Panicking(LoggingPointer):
        def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
            applied = super().move(dx_counts, dy_counts)
            if len(self.events) == 5:
                plan.person.press("f8")
            return applied

    plan = make_plan(Panicking())
    summary = run_assistant(plan)
    assert [event[0] for event in plan.pointer.events] == ["move"] * 5 + ["close"]  # type: ignore[attr-defined]
    assert summary["refusals"]["stopped"] > 0


def test_a_reference_that_decides_in_the_assistants_place_moves_once_a_frame() -> None:
    plan = make_plan(LoggingPointer())
    plan.aimer = Aimer(plan.settings.aim, ("monster", "friend"))
    steps: list[Step] = []
    plan.observe = steps.append
    run_assistant(plan)
    assert {step.moves for step in steps} == {None}
    assert any(step.applied.dx_counts for step in steps)
