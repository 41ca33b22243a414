"""Games in a process of their own, as their player sees them: a window, and what they tell."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from arena.truth import TruthLog, decode_tic
from capture.errors import UserError


class EventProcess:
    """A module of the arena in a process of its own, on the present DISPLAY; it prints one JSON event a line.

    `ready` names its window, then it waits for `go`; `done` is its last event. A subclass takes the others.
    """

    def __init__(self, module: str, options: Sequence[str]) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.window_title = ""
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
        """Whether it has ended, and all its events are taken."""
        return self._over.is_set()

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait for the window; UserError if the game ends or is silent instead."""
        self._ready.wait(timeout_s)
        if not self.window_title:
            raise UserError(
                f"expected the game's window to open, the game ended; run: python -m {self._module}"
            )

    def go(self) -> None:
        """Let it begin."""
        self._send("\n")

    def close(self) -> None:
        """End it."""
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

    def take(self, kind: str, event: dict[str, Any]) -> None:
        """One event, in the reader's thread; this one takes none."""

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
            self.take(kind, event)
            if kind == "done":
                self._over.set()
        self._ready.set()
        self._over.set()


class GameProcess(EventProcess):
    """`python -m arena.doom`: the truth of each tic, and a score at the end."""

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
        self.truth = TruthLog()
        self.score: dict[str, Any] | None = None
        options = ["--scenario", scenario, "--seed", str(seed)]
        options += [f"--{name}={value}" for name, value in limits.items()]
        options += [f"--game-args={game_args}", *(["--endless"] if endless else [])]
        super().__init__("arena.doom", options)

    def take(self, kind: str, event: dict[str, Any]) -> None:
        """Log a tic, keep the score."""
        if kind == "tic":
            self.truth.add(decode_tic(event))
        elif kind == "done":
            self.score = event["score"]

    def wait_score(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """The final score; UserError if the game ended without one."""
        self._over.wait(timeout_s)
        if self.score is None:
            raise UserError("expected a score from the game, it ended without one; run: python -m arena.doom")
        return self.score
