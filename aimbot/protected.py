"""Refuse protected games: known anti-cheat processes, from a data file of names per platform."""

import sys
import threading
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources

import psutil

from capture.errors import UserError

WATCH_PERIOD_S = 2.0
KEPT_BY_LINUX = 15
"""Characters of a name. The rest is known only where the command line begins with it, as Wine's does not."""


@cache
def load_names() -> dict[str, frozenset[str]]:
    """Process names by platform (`linux`, `win32`, `darwin`), lower case."""
    text = resources.files("configs").joinpath("protected.toml").read_text(encoding="utf-8")
    return {
        platform: frozenset(name.lower() for name in names) for platform, names in tomllib.loads(text).items()
    }


def list_processes() -> list[str]:
    """Names of the processes that run now; those that end or hide meanwhile are left out."""
    return [process.info["name"] or "" for process in psutil.process_iter(["name"])]


def find_protection(processes: Iterable[str], platform: str = sys.platform) -> str | None:
    """The first process that belongs to a known anti-cheat, or None.

    Windows programs also run on Linux and macOS (Wine, Proton), so their names count everywhere.
    """
    names = load_names()
    known = names.get(platform, frozenset()) | names["win32"]
    if platform == "linux":
        known |= {name[:KEPT_BY_LINUX] for name in known}
    return next((name for name in processes if name.lower() in known), None)


class ProtectionWatch:
    """Looks every WATCH_PERIOD_S, in its own thread, whether an anti-cheat runs by now."""

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        """`stop` is called at once, on the watch's thread, when one does or the watch fails."""
        self._stop = stop
        self.fault: str | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="protection", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """UserError if an anti-cheat was found, or nobody watches any more."""
        if self.fault is not None:
            raise UserError(self.fault)

    def close(self) -> None:
        """Stop, and join the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closed.wait(WATCH_PERIOD_S):
                refuse_protected()
        except UserError as error:
            self.fault = str(error)
        except Exception as error:
            self.fault = f"expected to watch for protected games, which failed: {error!r}"
        if self.fault is not None:
            self._stop()


def refuse_protected() -> None:
    """UserError if an anti-cheat runs: protected games are out of scope."""
    found = find_protection(list_processes())
    if found:
        raise UserError(
            f"expected a local game with no anti-cheat, found {found} running; "
            "this assistant refuses protected games: close it to go on"
        )
