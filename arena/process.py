"""The game in a process of its own, as its player sees it: a window, and a score at the end."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from arena.truth import TruthLog, decode_tic
from capture.errors import UserError


class GameProcess:
    """Starts `python -m arena.doom` on the present DISPLAY and follows its events."""

    def __init__(
        self,
        scenario: str,
        seed: int,
        limits: Mapping[str, float],
        game_args: str = "",
        endless: bool = False,
    ) -> None:
        """`limits`: where it ends, as options of `arena.doom`.

        These are seconds, episodes, episode-seconds and empty-seconds.
        game_args, endless: see `arena.doom.open_game`.
        """
        options = ["--scenario", scenario, "--seed", str(seed)]
        options += [f"--{name}={value}" for name, value in limits.items()]
        options += [f"--game-args={game_args}", *(["--endless"] if endless else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "arena.doom", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.window_title = ""
        self.truth = TruthLog()
        self.score: dict[str, Any] | None = None
        self._ready, self._over = threading.Event(), threading.Event()
        self._reader = threading.Thread(target=self._read, name="arena", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def over(self) -> bool:
        """Whether the game has ended, with or without a score."""
        return self._over.is_set()

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait for the window; UserError if the game ends or is silent instead."""
        self._ready.wait(timeout_s)
        if not self.window_title:
            raise UserError("expected the game's window to open, the game ended; run: python -m arena.doom")

    def go(self) -> None:
        """Start the clock of the score."""
        self._send("\n")

    def wait_score(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """The final score; UserError if the game ended without one."""
        self._over.wait(timeout_s)
        if self.score is None:
            raise UserError("expected a score from the game, it ended without one; run: python -m arena.doom")
        return self.score

    def close(self) -> None:
        """End the game."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _send(self, text: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if not line.startswith("{"):
                continue  # the game's own chatter
            event = json.loads(line)
            kind = event.pop("event")
            if kind == "ready":
                self.window_title = event["window"]
                self._ready.set()
            elif kind == "tic":
                self.truth.add(decode_tic(event))
            elif kind == "done":
                self.score = event["score"]
                self._over.set()
        self._ready.set()
        self._over.set()
