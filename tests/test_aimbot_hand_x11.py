"""Raw motion of the person's mouse on X11: parsed, stamped, and followed on a real server."""

from collections.abc import Iterator

import pytest
from aim_helpers import (
    MS,
    aim_settings,
)
from pointer_helpers import draw

from aimbot.aimer import Aimer
from aimbot.commands.doctor import diagnose
from aimbot.hand import NoHand, open_hand
from aimbot.hand_x11 import RawMotion, X11Hand, convert_time, parse_raw_motion
from aimbot.ledger import TimedMove
from aimbot.pointer_thread import PointerThread
from aimbot.pointer_x11 import X11Pointer
from aimbot.safety import Gates, SafetyEnvelope, SafetySettings
from aimbot.target import Command
from arena.display import start_xvfb
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


def take_all(hand: X11Hand, count: int) -> list[TimedMove]:
    """What comes until so many moves are there, or a second is over."""
    moves: list[TimedMove] = []
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
                aimer.turned(x11_hand.take())
        person.close()
        aimer.turned(take_all(x11_hand, 100))
    theirs = 50 * (3 - 4), sum(range(50)) - 50
    ours = 50 * 3, 10 * sum(range(5))
    assert aimer.ledger.total == (theirs[0] + ours[0], theirs[1] + ours[1])


def test_the_moves_of_the_pointer_thread_are_counted_once_while_the_hand_moves_too(x11_hand: X11Hand) -> None:
    person, aimer = X11Pointer(), Aimer(aim_settings(), ("monster", "friend"))
    clock, seen, rounds = monotonic_ns, list[TimedMove](), 20
    caps = SafetySettings(max_counts_per_s=100_000)
    envelope = SafetyEnvelope(X11Pointer(), caps, 500, clock, lambda: Gates(True, True))
    with envelope, PointerThread(envelope, clock, 500) as follower:
        for index in range(rounds + 1):
            moves = follower.take()
            for move in moves:
                x11_hand.sent(move.dx_counts, move.dy_counts)
            aimer.turned(moves)
            seen += x11_hand.take()
            if index < rounds:
                follower.follow(draw((0.0, 0.0), (2_000.0, 500.0), 0.0, at_ns=clock()))
                person.move(-9, 40 + index)
                sleep_s(0.02)
        person.close()
    seen += take_all(x11_hand, rounds - len(seen))
    assert [(move.dx_counts, move.dy_counts) for move in seen] == [
        (-9, 40 + index) for index in range(rounds)
    ]
    assert aimer.ledger.total[0] > 4 * rounds


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


def test_a_display_that_goes_away_is_told_in_one_line() -> None:
    with start_xvfb((320, 240)) as name:
        pointer = X11Pointer(name)
        pointer.press()
    with pytest.raises(UserError, match=r"^expected the X display to stay, it is gone; start the game"):
        shake(pointer)
    pointer.close()


def shake(pointer: X11Pointer) -> None:
    for _ in range(100):
        pointer.move(1, 0)
