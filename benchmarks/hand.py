"""The person's mouse as X11 shows it: how soon a move is seen, how well it is stamped, and what that costs.

python -m benchmarks.hand [--json]
"""

import argparse
import json
import multiprocessing
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import psutil

from aimbot.hand_x11 import X11Hand
from aimbot.ledger import TimedMove
from aimbot.pointer_x11 import X11Pointer
from aimbot.telemetry import percentiles
from arena.display import use_display
from capture.clock import monotonic_ns, sleep_s

SAMPLES = 500
RATE_HZ = 1000
BURST_S = 10
FRAME_S = 1 / 60
STEP = (3, -2)
PATIENCE_NS = 500_000_000


def run() -> dict[str, Any]:
    """The JSON object; on the present DISPLAY, whose pointer moves, or on an Xvfb of its own."""
    with use_display():
        return {"samples": SAMPLES, **measure_delay(), "burst": measure_burst()}


def measure_delay() -> dict[str, Any]:
    """From a second client's move to its return by `take`, asked all the time; the error of its stamp."""
    hand, pointer = X11Hand(monotonic_ns), X11Pointer()
    delays_ms, errors_ms, wrong = [], [], 0
    for _ in range(SAMPLES):
        sleep_s(0.002)
        sent_ns = monotonic_ns()
        pointer.move(*STEP)
        while not (moves := hand.take()) and monotonic_ns() - sent_ns < PATIENCE_NS:
            pass
        delays_ms.append((monotonic_ns() - sent_ns) / 1e6)
        if [(move.dx_counts, move.dy_counts) for move in moves] != [STEP]:
            wrong += 1
            continue
        errors_ms.append(abs(moves[0].time_ns - sent_ns) / 1e6)
    pointer.close()
    hand.close()
    return {
        "delay_ms": percentiles(delays_ms),
        "stamp_error_ms": percentiles(errors_ms),
        "wrong": wrong,
    }


def measure_burst() -> dict[str, Any]:
    """A mouse of 1000 Hz in a second process, taken sixty times a second; beside taking with no motion."""
    hand = X11Hand(monotonic_ns)
    idle = watch(hand, None)
    person = multiprocessing.get_context("spawn").Process(target=send_burst)
    person.start()
    while not (moves := hand.take()):
        sleep_s(FRAME_S)
    burst = watch(hand, person)
    person.join()
    hand.close()
    moves += burst.moves
    count = RATE_HZ * BURST_S
    return {
        "events": count,
        "missing_counts": [
            count * STEP[0] - sum(move.dx_counts for move in moves),
            count * STEP[1] - sum(move.dy_counts for move in moves),
        ],
        "cpu_share": burst.cpu_share,
        "idle_cpu_share": idle.cpu_share,
        "take_ms": percentiles(burst.taken_ms),
    }


@dataclass(frozen=True, slots=True)
class Watched:
    """What was taken, how long each call needed, and the share of one core that all of it used."""

    moves: list[TimedMove]
    taken_ms: list[float]
    cpu_share: float


def watch(hand: X11Hand, person: BaseProcess | None) -> Watched:
    """Take at each frame until the person is done, or for BURST_S."""
    moves: list[TimedMove] = []
    taken_ms = []
    process, started_ns = psutil.Process(), monotonic_ns()
    before, over = process.cpu_times(), False
    while not over:
        over = not person.is_alive() if person else monotonic_ns() - started_ns > BURST_S * 1e9
        sleep_s(FRAME_S)
        begun_ns = monotonic_ns()
        moves += hand.take()
        taken_ms.append((monotonic_ns() - begun_ns) / 1e6)
    after, elapsed_s = process.cpu_times(), (monotonic_ns() - started_ns) / 1e9
    used_s = after.user + after.system - before.user - before.system
    return Watched(moves, taken_ms, used_s / elapsed_s)


def send_burst() -> None:
    """The person: evenly spaced moves."""
    pointer, started_ns = X11Pointer(), monotonic_ns()
    for index in range(RATE_HZ * BURST_S):
        sleep_s(index / RATE_HZ - (monotonic_ns() - started_ns) / 1e9)
        pointer.move(*STEP)
    pointer.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    result = run()
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
