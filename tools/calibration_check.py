"""`calibrate` beside the truth, live: `python tools/calibration_check.py [CASE …]`.

Each case starts a game on an Xvfb of its own, reads the truth (ViZDoom's own angles before and after known
counts, or what the range was told), runs `calibrate`, and measures the latency before and after by other
code: XTEST motion, and a small patch of the screen polled by mss. It prints rows of Markdown, and leaves
CASE.png, the plot, in the working folder. On two cores, let nothing else run.
"""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mss
import numpy as np
from Xlib import X, display
from Xlib.ext import xtest

from arena.display import start_xvfb
from capture.clock import monotonic_ns, sleep_s
from capture.window import find_window

ROOT = Path(__file__).parent.parent
PLOTS = Path.cwd()  # the arena changes the working folder while a game runs
DOOM = "aim.view.pixel_aspect=1.2"
SLOW = "+mouse_sensitivity 0.5 +m_noprescale 1"
CASES: dict[str, tuple[str, str | dict[str, float]]] = {
    "doom": ("my_way_home", ""),
    "doom-slow": ("my_way_home", SLOW),
    "doom-monsters": ("defend_the_center", ""),
    "range": ("range", {"fov-deg": 90.0, "yaw-deg-per-count": 0.05, "pitch-deg-per-count": 0.05}),
    "range-other": (
        "range",
        {
            "fov-deg": 70.0,
            "yaw-deg-per-count": 0.022,
            "pitch-deg-per-count": 0.0165,
            "added-latency-ms": 30.0,
        },
    ),
}
Truth = dict[str, float]


@contextmanager
def play_doom(scenario: str, game_args: str) -> Iterator[tuple[str, Truth]]:
    """ViZDoom with a vertical look; the truth is what its own angles say of 200 counts."""
    import vizdoom as vzd

    from arena.doom import WINDOW_TITLE, open_game

    with open_game(scenario, 3, game_args=f"+freelook 1 {game_args}", endless=True) as game:
        game.new_episode()
        game.send_game_command("god")
        over = threading.Event()

        def pump() -> None:
            while not over.is_set() and not game.is_episode_finished():
                game.advance_action()

        thread = threading.Thread(target=pump)
        thread.start()
        try:
            truth = {"fov_deg": 90.0}
            send(WINDOW_TITLE, 1, 0)
            for name, variable, step in (
                ("yaw_deg_per_count", vzd.GameVariable.ANGLE, (200, 0)),
                ("pitch_deg_per_count", vzd.GameVariable.PITCH, (0, 100)),
            ):
                angles = []
                for sign in (0, 1, -1):
                    send(WINDOW_TITLE, sign * step[0], sign * step[1])
                    angles.append(game.get_game_variable(variable))
                truth[name] = abs((angles[1] - angles[0] + 180) % 360 - 180) / sum(step)
            yield WINDOW_TITLE, truth
        finally:
            over.set()
            thread.join()


@contextmanager
def play_range(options: dict[str, float]) -> Iterator[tuple[str, Truth]]:
    """The range; the truth is what it was told."""
    command = [sys.executable, "-m", "arena.range", *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("{"))
        try:
            yield json.loads(line)["window"], {name.replace("-", "_"): v for name, v in options.items()}
        finally:
            process.terminate()


def send(title: str, dx_counts: int, dy_counts: int) -> None:
    """One motion to the window, and time for it to show."""
    window = find_window(title)
    window.focus()
    window.close()
    server = display.Display()
    xtest.fake_input(server, X.MotionNotify, detail=True, x=dx_counts, y=dy_counts)
    server.sync()
    server.close()
    sleep_s(0.5)


def measure_directly(title: str, counts: int, trials: int = 100) -> list[float]:
    """Milliseconds from XTEST motion to a changed patch, at random times."""
    window = find_window(title)
    window.focus()
    place = window.region()
    box = {"left": place.left_px + place.width_px // 3, "top": place.top_px + place.height_px // 3}
    box |= {"width": 64, "height": 64}
    server, screen, rng, found = display.Display(), mss.MSS(), random.Random(1), []
    for trial in range(trials):
        sleep_s(rng.uniform(0.2, 0.3))
        before = np.frombuffer(screen.grab(box).raw, np.uint8).astype(int)
        sent_s = monotonic_ns() / 1e9
        xtest.fake_input(server, X.MotionNotify, detail=True, x=counts * (-1) ** trial, y=0)
        server.flush()
        while (seen_s := monotonic_ns() / 1e9) - sent_s < 0.5:
            after = np.frombuffer(screen.grab(box).raw, np.uint8)
            if (np.abs(after - before) > 8).mean() > 0.1:
                found.append((seen_s - sent_s) * 1e3)
                break
            sleep_s(0.0005)
    return found


def run_directly(title: str, counts: int) -> list[float]:
    """`measure_directly` in a process of its own, where nothing but it runs."""
    command = [sys.executable, __file__, "--direct", title, str(counts)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: list[float] = json.loads(answer.splitlines()[-1])
    return found


def check(case: str) -> None:
    """Play, calibrate, compare, print the rows of the case."""
    game, options = CASES[case]
    with start_xvfb((1280, 960)) as name, TemporaryDirectory() as folder:
        os.environ["DISPLAY"] = name
        doom = isinstance(options, str)
        opened = play_doom(game, options) if isinstance(options, str) else play_range(options)
        with opened as (title, truth):
            command = [sys.executable, str(ROOT / "run_aimbot.py"), "calibrate", "--window", title, "--json"]
            command += ["--out", f"{folder}/out.toml", "--plot", str(PLOTS / f"{case}.png")]
            command += ["--set", DOOM] if doom else []
            counts = max(2, round(5 / truth["yaw_deg_per_count"]))
            direct_ms = run_directly(title, counts)
            started_s = monotonic_ns() / 1e9
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"| {case} | {done.stderr.strip().splitlines()[-1]} |", flush=True)
                return
            taken_s = monotonic_ns() / 1e9 - started_s
            found: dict[str, Any] = json.loads(done.stdout)
            direct_ms += run_directly(title, counts)
            truth["display_latency_ms"] = float(np.median(direct_ms))
    print(f"{case}: {taken_s:.0f} s, {found['pitch_motion']}, linear within {found['linear_within']:.2%}")
    for name in ("yaw_deg_per_count", "pitch_deg_per_count", "fov_deg", "display_latency_ms"):
        value, error, true = found[name]["value"], found[name]["error"], truth[name]
        off = f"{value - true:+.1f} ms" if name.endswith("_ms") else f"{value / true - 1:+.2%}"
        print(f"| {case} | {name} | {true:.5g} | {value:.5g} ± {error:.1g} | {off} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--direct"]:
        print(json.dumps(measure_directly(sys.argv[2], int(sys.argv[3]))))
    else:
        for case in sys.argv[1:] or CASES:
            check(case)
