"""The envelope lets through what is allowed, and releases the button on every way out."""

import math
from dataclasses import replace

import pytest
from aim_helpers import MS, LoggingPointer, SetClock
from hypothesis import given
from hypothesis import strategies as st

from aimbot.pointer import NullPointer
from aimbot.protected import find_protection, load_names, refuse_protected
from aimbot.safety import Applied, Gates, Refusal, SafetyEnvelope, SafetySettings
from aimbot.target import Command
from capture.errors import UserError

FIRE = Command(0, 0, True)


class Rig:
    """An envelope over a logging pointer, with gates and a clock to set."""

    def __init__(self, settings: SafetySettings | None = None, budget_ms: float = 50) -> None:
        self.pointer, self.clock = LoggingPointer(), SetClock(1_000 * MS)
        self.gates = Gates(armed=True, focused=True)
        self.envelope = SafetyEnvelope(
            self.pointer, settings or SafetySettings(), budget_ms, self.clock, lambda: self.gates
        )

    def apply(self, command: Command, age_ms: float = 10) -> Applied:
        return self.envelope.apply(command, self.clock.now_ns - round(age_ms * MS))


def test_a_fresh_armed_focused_command_reaches_the_pointer() -> None:
    rig = Rig()
    applied = rig.apply(Command(3, -2, True))
    assert (applied.dx_counts, applied.dy_counts, applied.fire, applied.refusal) == (3, -2, True, None)
    assert rig.pointer.events == [("move", 3, -2), ("press",)]


@pytest.mark.parametrize(
    ("gates", "age_ms", "reason"),
    [
        (Gates(False, True), 10, Refusal.NOT_ARMED),
        (Gates(True, False), 10, Refusal.NO_FOCUS),
        (Gates(True, True), 50.1, Refusal.STALE),
        (Gates(True, True), -1, Refusal.STALE),
    ],
)
def test_each_refusal_moves_nothing_releases_the_button_and_is_counted(
    gates: Gates, age_ms: float, reason: Refusal
) -> None:
    rig = Rig()
    rig.apply(FIRE)
    rig.gates = gates
    applied = rig.apply(Command(9, 9, True), age_ms)
    assert applied.refusal is reason
    assert applied.refused
    assert (applied.dx_counts, applied.dy_counts, applied.fire) == (0, 0, False)
    assert rig.pointer.events == [("press",), ("release",)]
    assert rig.envelope.refusals == {reason: 1}


def test_without_a_window_to_watch_the_focus_need_not_be_required() -> None:
    rig = Rig(SafetySettings(require_focus=False))
    rig.gates = Gates(True, False)
    assert rig.apply(Command(1, 0, False)).refusal is None


@given(st.integers(-100_000, 100_000), st.integers(-100_000, 100_000))
def test_no_move_is_longer_than_the_cap_and_its_direction_stays(dx: int, dy: int) -> None:
    rig = Rig(SafetySettings(max_counts_per_move=100))
    applied = rig.apply(Command(dx, dy, False))
    assert math.hypot(applied.dx_counts, applied.dy_counts) <= 100
    assert applied.dx_counts * dx >= 0
    assert applied.dy_counts * dy >= 0
    assert (applied.refusal is Refusal.CAP_PER_MOVE) == (math.hypot(dx, dy) > 100)


@given(st.lists(st.integers(-400, 400), min_size=1, max_size=80))
def test_no_second_sees_more_than_its_cap(steps: list[int]) -> None:
    rig = Rig(SafetySettings(max_counts_per_s=1000))
    sent: list[tuple[int, int]] = []
    for step in steps:
        rig.clock.now_ns += 20 * MS
        sent.append((rig.clock.now_ns, abs(rig.apply(Command(step, 0, False)).dx_counts)))
    for end_ns, _ in sent:
        assert sum(counts for at_ns, counts in sent if end_ns - 1_000 * MS < at_ns <= end_ns) <= 1000


def test_the_cap_a_second_frees_itself_as_time_passes() -> None:
    rig = Rig(SafetySettings(max_counts_per_s=100))
    assert rig.apply(Command(100, 0, False)).dx_counts == 100
    assert rig.apply(Command(50, 0, False)).refusal is Refusal.CAP_PER_S
    rig.clock.now_ns += 1_000 * MS
    assert rig.apply(Command(50, 0, False)).dx_counts == 50


def test_a_command_that_is_not_finite_moves_nothing() -> None:
    rig = Rig()
    bad = replace(Command(0, 0, True), dx_counts=math.nan)  # type: ignore[arg-type]
    assert rig.apply(bad).refusal is Refusal.NOT_FINITE
    assert rig.pointer.events == []


def test_fire_can_be_forbidden_while_moving_is_allowed() -> None:
    rig = Rig(SafetySettings(allow_fire=False))
    applied = rig.apply(Command(4, 0, True))
    assert applied.dx_counts == 4
    assert applied.refusal is Refusal.FIRE_NOT_ALLOWED
    assert not applied.refused
    assert rig.pointer.events == [("move", 4, 0)]


def test_a_dry_run_records_no_shot() -> None:
    envelope = SafetyEnvelope(
        NullPointer(), SafetySettings(), 50, SetClock(1_000 * MS), lambda: Gates(armed=True, focused=True)
    )
    applied = envelope.apply(Command(5, 0, True), 990 * MS)
    assert (applied.dx_counts, applied.fire, applied.refusal) == (0, False, None)


def test_after_stop_nothing_moves_again() -> None:
    rig = Rig()
    rig.apply(FIRE)
    rig.envelope.stop()
    assert rig.apply(Command(5, 5, True)).refusal is Refusal.STOPPED
    assert rig.pointer.events == [("press",), ("release",)]


def test_the_button_is_released_when_frames_stop_coming() -> None:
    rig = Rig()
    rig.apply(FIRE)
    rig.envelope.rest()
    assert rig.pointer.events[-1] == ("release",)


def test_a_press_that_was_let_go_is_not_begun_again() -> None:
    rig = Rig()
    rig.apply(FIRE)
    rig.envelope.rest()
    applied = rig.apply(FIRE)
    assert (applied.fire, applied.refusal, applied.refused) == (False, Refusal.LET_GO, False)
    assert rig.apply(FIRE).fire
    rig.envelope.stop()
    assert rig.pointer.events == [("press",), ("release",)] * 2


@pytest.mark.parametrize("gates", [Gates(False, True), Gates(True, False)])
def test_without_a_command_the_button_is_released_where_the_gates_close(gates: Gates) -> None:
    rig = Rig()
    rig.apply(FIRE)
    rig.envelope.release_late(1.0)
    assert rig.pointer.events == [("press",)]
    rig.gates = gates
    rig.envelope.release_late(1.0)
    assert rig.pointer.events == [("press",), ("release",)]


def test_without_a_command_the_button_is_released_once_it_was_down_for_too_long() -> None:
    rig = Rig()
    rig.apply(FIRE)
    rig.clock.now_ns += 1_000 * MS
    rig.envelope.release_late(1.0)
    assert rig.pointer.events == [("press",)]
    rig.clock.now_ns += 1
    rig.envelope.release_late(1.0)
    rig.envelope.release_late(1.0)
    assert rig.pointer.events == [("press",), ("release",)]


def test_an_exception_inside_releases_the_button_and_closes_the_pointer() -> None:
    rig = Rig()

    def crash() -> None:
        with rig.envelope:
            rig.apply(FIRE)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        crash()
    assert rig.pointer.events == [("press",), ("release",), ("close",)]
    rig.envelope.close()
    assert rig.pointer.events.count(("close",)) == 1


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_known_anti_cheats_are_found_on_every_platform_whatever_their_case(platform: str) -> None:
    assert load_names()[platform]
    assert find_protection(["bash", "easyanticheat.EXE"], platform) == "easyanticheat.EXE"
    assert find_protection(["bash", "doom", "python3"], platform) is None


@pytest.mark.parametrize(
    "name", ["start_protected_game.exe", "EasyAntiCheat_launcher.exe", "EasyAntiCheat_EOS_Setup.exe"]
)
def test_launchers_of_protected_games_are_known_whole_and_cut_off(name: str) -> None:
    assert find_protection([name], "win32") == name
    assert find_protection([name[:15]], "linux") == name[:15]


def test_a_name_that_linux_cut_off_is_known() -> None:
    assert find_protection(["UncheaterServic"], "linux") == "UncheaterServic"
    assert find_protection(["UncheaterServic"], "win32") is None


def test_nothing_is_fired_where_the_move_does_not_arrive() -> None:
    rig = Rig(SafetySettings(max_counts_per_move=100))
    applied = rig.apply(Command(300, 0, True))
    assert (applied.dx_counts, applied.fire, applied.refusal) == (100, False, Refusal.CAP_PER_MOVE)
    assert rig.apply(Command(5, 0, True)).fire
    assert rig.apply(Command(300, 0, True)).fire  # a button that is down may stay so
    assert [event for event in rig.pointer.events if event[0] != "move"] == [("press",)]


def test_a_press_that_is_broken_off_is_released_at_the_end() -> None:
    rig = Rig()

    def end(*_: object) -> None:
        rig.pointer.events.append(("press",))
        raise SystemExit

    rig.pointer.press = end  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        rig.apply(FIRE)
    rig.envelope.close()
    assert rig.pointer.events[:2] == [("press",), ("release",)]


def test_a_running_anti_cheat_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aimbot.protected.list_processes", lambda: ["init", "BEService.exe"])
    with pytest.raises(UserError, match=r"^expected a local game with no anti-cheat, found BEService\.exe"):
        refuse_protected()
