"""The person's own mouse: parsed, told from ours, entered in the ledger, recorded and replayed."""

import json
from collections.abc import Iterator

import pytest
from aim_helpers import (
    MS,
    LoggingPointer,
    ScriptedDetector,
    SetClock,
    aim_settings,
    make_detections,
    make_frame,
)

from aimbot.aimer import Aimer
from aimbot.commands.doctor import diagnose
from aimbot.hand import HandMove, NoHand, OwnMoves, RawMove, open_hand
from aimbot.hand_x11 import RawMotion, X11Hand, convert_time, parse_raw_motion
from aimbot.identities import Identifier
from aimbot.ledger import CountLedger
from aimbot.loop import AimLoop, Step
from aimbot.pointer_x11 import X11Pointer
from aimbot.replaying import RecordedDetector, Replayer, compare_step
from aimbot.rows import decode_hand, encode_step
from aimbot.safety import Gates, SafetyEnvelope, SafetySettings
from aimbot.target import Command
from aimbot.telemetry import Telemetry
from capture.clock import monotonic_ns, sleep_s
from capture.errors import UserError

# Xvfb 21.1, XTEST's relative motion (5, -3), and with it the same event as a mouse with acceleration and a
# wheel would have it.
CAPTURED = bytes.fromhex(
    "020062966b020000000004000200000000000000000003000000000000000500000000000000fdffffff00000000"
    "0500000000000000fdffffff00000000"
)
ACCELERATED = CAPTURED[:30] + bytes.fromhex("0a000000000000800500000000000000") + CAPTURED[46:]
UPRIGHT_AND_WHEEL = (
    CAPTURED[:22]
    + bytes.fromhex(
        "0a00000000000000"  # axes 1 and 3
        "0900000000000000" + "0f00000000000000"
        "fdffffff00000080" + "7800000000000000"
    )
)


class ScriptedHand:
    """Moves as it is told."""

    def __init__(self) -> None:
        self.moves: list[HandMove] = []
        self.told: list[tuple[int, int]] = []

    def take(self) -> list[HandMove]:
        taken, self.moves = self.moves, []
        return taken

    def sent(self, dx_counts: int, dy_counts: int) -> None:
        self.told.append((dx_counts, dy_counts))

    def close(self) -> None:
        pass


class Rig:
    """A loop over a scripted detector and a scripted hand, at sixty frames a second."""

    def __init__(self, armed: bool = True) -> None:
        self.clock, self.hand, self.detector = SetClock(), ScriptedHand(), ScriptedDetector()
        self.pointer = LoggingPointer()
        self.envelope = SafetyEnvelope(
            self.pointer, SafetySettings(max_counts_per_s=300), 50, self.clock, lambda: Gates(armed, True)
        )
        self.aimer = Aimer(aim_settings(smoothing_s=0.02), self.detector.class_names)
        self.loop = AimLoop(self.detector, self.aimer, self.envelope, Telemetry(), self.clock, self.hand)

    def step(self, index: int, x_px: float = 400) -> Step:
        captured_ns = (100 + 16 * index) * MS
        self.clock.now_ns = captured_ns + 10 * MS
        self.detector.answer = make_detections([[x_px - 20, 200, x_px + 20, 280]])
        return self.loop.step(make_frame(index, captured_ns))


def test_a_captured_raw_event_is_parsed() -> None:
    assert parse_raw_motion(CAPTURED) == RawMotion(4, 0x026B9662, 5.0, -3.0)


def test_of_an_accelerated_motion_the_raw_values_are_taken() -> None:
    assert parse_raw_motion(ACCELERATED) == parse_raw_motion(CAPTURED)


def test_axes_that_are_not_there_are_nothing_and_wheels_are_no_motion() -> None:
    motion = parse_raw_motion(UPRIGHT_AND_WHEEL)
    assert (motion.x_counts, motion.y_counts) == (0.0, -2.5)


def test_the_servers_time_is_ours_also_where_its_clock_goes_round() -> None:
    now_ns = (2**32 + 5) * MS + 123_456
    assert convert_time(2**32 - 3, now_ns) == (2**32 - 3) * MS
    assert convert_time(5, now_ns) == (2**32 + 5) * MS


def test_an_event_of_a_server_with_another_clock_counts_as_new() -> None:
    assert convert_time(77, 10_000 * MS) == 10_000 * MS
    assert convert_time(10_050, 10_000 * MS) == 10_000 * MS


def test_our_own_moves_are_left_out_once_each() -> None:
    own = OwnMoves()
    own.sent(5, 0)
    own.sent(0, 0)
    own.sent(7, -2)
    raw = [RawMove(1, 5.0, 0.0), RawMove(2, 5.0, 0.0), RawMove(3, 1.0, 1.0), RawMove(4, 7.0, -2.0)]
    assert own.leave_out(raw) == [HandMove(2, 5, 0), HandMove(3, 1, 1)]
    assert own.leave_out([RawMove(5, 7.0, -2.0)]) == [HandMove(5, 7, -2)]


def test_parts_of_a_count_are_carried() -> None:
    moves = OwnMoves().leave_out([RawMove(t, 0.25, -0.5) for t in range(8)])
    assert (sum(move.dx_counts for move in moves), sum(move.dy_counts for move in moves)) == (2, -4)


def test_counts_that_come_late_go_where_they_belong() -> None:
    ledger, in_order = CountLedger(), CountLedger()
    entries = [(10, 5, 0), (30, 3, -2), (20, 100, 1), (30, 1, 1), (5, 1000, 0)]
    for entry in entries:
        ledger.add(*entry)
    for entry in sorted(entries, key=lambda entry: entry[0]):
        in_order.add(*entry)
    assert [ledger.total_at(t) for t in range(40)] == [in_order.total_at(t) for t in range(40)]
    assert ledger.total_at(19) == (1005, 0)
    assert ledger.total == in_order.total == (1109, 0)


def test_counts_older_than_all_that_is_kept_count_from_the_start() -> None:
    ledger = CountLedger()
    ledger.add(10_000 * MS, 1, 0)
    ledger.add(1 * MS, 5, 0)
    assert ledger.total_at(0) == ledger.total_at(9_999 * MS) == (5, 0)
    assert ledger.total == (6, 0)


def test_a_target_that_stands_while_the_hand_turns_the_view_has_no_speed_and_stays_where_it_is() -> None:
    seen, hidden = Rig(armed=False), Rig(armed=False)
    for rig in (seen, hidden):
        focal_px, bearing = 320.0, 30.0  # counts of 0.1318°; the hand turns by 2 of them a frame
        for index in range(30):
            if rig is seen:
                rig.hand.moves = [HandMove((100 + 16 * index - 24) * MS, 2, 0)]
            bearing -= 2
            step = rig.step(index, 320 + focal_px * bearing * 0.1318 * 3.14159 / 180)
    assert step.target is not None
    resting = seen.step(30, 320 + 320 * bearing * 0.1318 * 3.14159 / 180).target
    assert resting is not None
    assert abs(resting.bearing_counts[0] - 30) < 3
    assert abs(resting.velocity_counts_per_s[0]) < 10
    assert step.target.velocity_counts_per_s[0] < -90  # of −125, where the hand is hidden


def test_the_caps_count_only_our_own_counts() -> None:
    rig = Rig()
    rig.hand.moves = [HandMove(90 * MS, 5_000, 0), HandMove(91 * MS, -5_000, 0)]
    step = rig.step(0)
    assert step.applied.refusal is None
    assert step.applied.dx_counts > 0
    assert rig.hand.told == [(step.applied.dx_counts, step.applied.dy_counts)]
    assert rig.aimer.ledger.total[0] == step.applied.dx_counts


def test_moves_while_no_frame_comes_belong_to_the_next_frame() -> None:
    class Mail:
        ended = False

        def take(self, timeout_s: float) -> None:
            rig.hand.moves = [HandMove(MS, 1, 0)]

    rig, rounds = Rig(), iter([False, False, False, True])
    rig.loop.run(Mail(), lambda: next(rounds), lambda _step: None)
    step = rig.step(0)
    assert [move.dx_counts for move in step.hand] == [1, 1, 1]


def record_rows(rig: Rig) -> tuple[list[Step], list[dict[str, object]]]:
    steps = []
    for index in range(40):
        rig.hand.moves = [HandMove((100 + 16 * index - t) * MS, 3, index % 3 - 1) for t in (9, 4)]
        steps.append(rig.step(index, 420 - 3 * index))
    rows = [json.loads(json.dumps({"frame_id": i, **encode_step(step)})) for i, step in enumerate(steps)]
    return steps, rows


def replay(steps: list[Step], rows: list[dict[str, object]], rig: Rig) -> list[dict[str, object]]:
    detector = RecordedDetector({int(str(row["frame_id"])): row for row in rows}, rig.detector.class_names)
    replayer = Replayer(detector, rig.aimer.settings, SafetySettings(max_counts_per_s=300), 50)
    return [
        found
        for step, row in zip(steps, rows, strict=True)
        for found in compare_step(replayer.step(step.frame, row), row)
    ]


def test_a_replay_moves_the_hand_as_it_was_and_decides_alike() -> None:
    rig = Rig()
    steps, rows = record_rows(rig)
    assert decode_hand(rows[7]) == list(steps[7].hand)
    assert len(steps[7].hand) == 2
    assert replay(steps, rows, rig) == []


def test_a_recording_without_the_hand_replays_without_it() -> None:
    rig = Rig()
    steps, rows = record_rows(rig)
    for row in rows:
        del row["hand"]
    assert {found["stage"] for found in replay(steps, rows, rig)} == {"target", "command"}


def test_identities_follow_the_hand_of_a_recording() -> None:
    """Two targets side by side; a flick of the hand, of 130 counts, puts one where the other was."""
    boxes = [[300.0, 200.0, 320.0, 280.0], [400.0, 200.0, 420.0, 280.0]]
    shifted = [[box[0] - 100, box[1], box[2] - 100, box[3]] for box in boxes]
    numbers = {}
    for name, hand in (("seen", [[40 * MS, 130, 0]]), ("hidden", [])):
        rows = {1: {"hand": hand}}
        identifier = Identifier(aim_settings(), ("monster", "friend"), rows)
        first = identifier.identify(make_frame(0, 0), make_detections(boxes))
        later = identifier.identify(make_frame(1, 100 * MS), make_detections(shifted))
        numbers[name] = (first, later)
    assert numbers["seen"][0] == numbers["seen"][1]
    assert numbers["hidden"][0] != numbers["hidden"][1]


def test_a_hand_that_is_not_to_be_followed_is_not_listened_to() -> None:
    hand = open_hand(False, monotonic_ns)
    assert isinstance(hand, NoHand)
    assert hand.take() == []


def test_without_a_display_the_error_says_how_to_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UserError, match=r"hotkeys\.follow_hand=false"):
        open_hand(True, monotonic_ns)


@pytest.fixture
def x11_hand(xvfb_display: str) -> Iterator[X11Hand]:
    hand = X11Hand(monotonic_ns, xvfb_display)
    yield hand
    hand.close()


def take_all(hand: X11Hand, count: int) -> list[HandMove]:
    """What comes until so many moves are there, or a second is over."""
    moves: list[HandMove] = []
    for _ in range(200):
        moves += hand.take()
        if len(moves) >= count:
            break
        sleep_s(0.005)
    return moves


def test_the_ledger_follows_the_hand_and_counts_our_own_moves_once(x11_hand: X11Hand) -> None:
    """On Xvfb the person is a second client; both speak through XTEST."""
    person, aimer = X11Pointer(), Aimer(aim_settings(), ("monster", "friend"))
    clock = monotonic_ns
    with SafetyEnvelope(X11Pointer(), SafetySettings(), 50, clock, lambda: Gates(True, True)) as envelope:
        for index in range(50):
            person.move(3, -1)
            applied = envelope.apply(Command(3, index % 5, False), clock())
            aimer.applied(applied.sent_ns, applied.dx_counts, applied.dy_counts)
            x11_hand.sent(applied.dx_counts, applied.dy_counts)
            person.move(-4, index)
            if index % 7 == 0:
                aimer.turned_by_hand(x11_hand.take())
        person.close()
        aimer.turned_by_hand(take_all(x11_hand, 100))
    theirs = 50 * (3 - 4), sum(range(50)) - 50
    ours = 50 * 3, 10 * sum(range(5))
    assert aimer.ledger.total == (theirs[0] + ours[0], theirs[1] + ours[1])


def test_the_doctor_says_whose_motion_is_seen(xvfb_display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (check,) = [check for check in diagnose()["checks"] if check["name"] == "hand"]
    assert check["ok"]
    assert "Xvfb mouse" in check["found"]
    monkeypatch.delenv("DISPLAY")
    (check,) = [check for check in diagnose()["checks"] if check["name"] == "hand"]
    assert not check["ok"]
    assert "hotkeys.follow_hand=false" in check["mend"]


def test_moves_are_stamped_when_they_were_made_and_come_through_a_grab(
    x11_hand: X11Hand, xvfb_display: str
) -> None:
    from Xlib import X
    from Xlib.display import Display

    game = Display(xvfb_display)
    assert (
        game.screen().root.grab_pointer(
            True, X.PointerMotionMask, X.GrabModeAsync, X.GrabModeAsync, X.NONE, X.NONE, X.CurrentTime
        )
        == X.GrabSuccess
    )
    person = X11Pointer()
    before_ns = monotonic_ns()
    person.move(-2000, 9)
    person.close()
    after_ns = monotonic_ns()
    sleep_s(0.1)
    moves = take_all(x11_hand, 1)
    game.close()
    assert [(move.dx_counts, move.dy_counts) for move in moves] == [(-2000, 9)]
    assert before_ns - MS <= moves[0].time_ns <= after_ns + MS
