"""The person's own mouse: told from ours, entered in the ledger, recorded and replayed."""

import json

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
from aimbot.hand import OwnMoves, RawMove
from aimbot.identities import Identifier
from aimbot.ledger import CountLedger, TimedMove
from aimbot.loop import AimLoop, Step
from aimbot.replaying import RecordedDetector, Replayer, compare_step
from aimbot.rows import decode_moves, encode_step
from aimbot.safety import Gates, SafetyEnvelope, SafetySettings
from aimbot.telemetry import Telemetry


class ScriptedHand:
    """Moves as it is told."""

    def __init__(self) -> None:
        self.moves: list[TimedMove] = []
        self.told: list[tuple[int, int]] = []

    def take(self) -> list[TimedMove]:
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


def test_our_own_moves_are_left_out_once_each() -> None:
    own = OwnMoves()
    own.sent(5, 0)
    own.sent(0, 0)
    own.sent(7, -2)
    raw = [RawMove(1, 5.0, 0.0), RawMove(2, 5.0, 0.0), RawMove(3, 1.0, 1.0), RawMove(4, 7.0, -2.0)]
    assert own.leave_out(raw) == [TimedMove(2, 5, 0), TimedMove(3, 1, 1)]
    assert own.leave_out([RawMove(5, 7.0, -2.0)]) == [TimedMove(5, 7, -2)]


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
                rig.hand.moves = [TimedMove((100 + 16 * index - 24) * MS, 2, 0)]
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
    rig.hand.moves = [TimedMove(90 * MS, 5_000, 0), TimedMove(91 * MS, -5_000, 0)]
    step = rig.step(0)
    assert step.applied.refusal is None
    assert step.applied.dx_counts > 0
    assert rig.hand.told == [(step.applied.dx_counts, step.applied.dy_counts)]
    assert rig.aimer.ledger.total[0] == step.applied.dx_counts


def test_moves_while_no_frame_comes_belong_to_the_next_frame() -> None:
    class Mail:
        ended = False

        def take(self, timeout_s: float) -> None:
            rig.hand.moves = [TimedMove(MS, 1, 0)]

    rig, rounds = Rig(), iter([False, False, False, True])
    rig.loop.run(Mail(), lambda: next(rounds), lambda _step: None)
    step = rig.step(0)
    assert [move.dx_counts for move in step.hand] == [1, 1, 1]


def test_a_hand_that_moves_on_for_long_before_a_still_picture_leaves_one_move_and_those_of_a_second() -> None:
    class Mail:
        ended = False

        def take(self, timeout_s: float) -> None:
            rig.clock.now_ns += 50 * MS
            rig.hand.moves = [TimedMove(rig.clock.now_ns - t * MS, 1, -1) for t in (30, 20, 10)]

    rig, rounds = Rig(), iter([False] * 200 + [True])
    rig.loop.run(Mail(), lambda: next(rounds), lambda _step: None)
    hand = rig.step(0).hand
    assert len(hand) == 1 + 20 * 3
    assert hand[0] == TimedMove((180 * 50 - 10) * MS, 180 * 3, -180 * 3)
    assert sum(move.dx_counts for move in hand) == 200 * 3


def record_rows(rig: Rig) -> tuple[list[Step], list[dict[str, object]]]:
    steps = []
    for index in range(40):
        rig.hand.moves = [TimedMove((100 + 16 * index - t) * MS, 3, index % 3 - 1) for t in (9, 4)]
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
    assert decode_moves(rows[7], "hand") == list(steps[7].hand)
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
