"""An X display for the arena: the present one, or an Xvfb of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from capture.errors import UserError

NO_DISPLAY = "expected an X display or Xvfb, found neither DISPLAY nor Xvfb; install it: apt-get install xvfb"

_own: set[str] = set()


def has_display() -> bool:
    """Whether a display is present or one can be started."""
    return bool(os.environ.get("DISPLAY")) or shutil.which("Xvfb") is not None


@contextmanager
def use_display(size_wh: tuple[int, int] = (1280, 960)) -> Iterator[str]:
    """The name of an X display, in DISPLAY while the context lasts; UserError if none can be had."""
    present = os.environ.get("DISPLAY")
    if present:
        yield present
        return
    if shutil.which("Xvfb") is None:
        raise UserError(NO_DISPLAY)
    with start_xvfb(size_wh) as name:
        os.environ["DISPLAY"] = name
        _own.add(name)
        try:
            yield name
        finally:
            _own.discard(name)
            del os.environ["DISPLAY"]


def is_own() -> bool:
    """Whether the present display is one that `use_display` started: nobody sits before it."""
    return os.environ.get("DISPLAY") in _own


@contextmanager
def start_xvfb(size_wh: tuple[int, int]) -> Iterator[str]:
    """Run an Xvfb on a free display; `-noreset`, or the server may reset between two clients."""
    read_fd, write_fd = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_fd), "-screen", "0", f"{size_wh[0]}x{size_wh[1]}x24"]
    command += ["-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(
        command, pass_fds=[write_fd], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(write_fd)
    try:
        with os.fdopen(read_fd) as stream:
            number = stream.readline().strip()
        if not number:
            raise UserError(
                f"expected Xvfb to start, it exited with {server.wait()}; try: {' '.join(command)}"
            )
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(timeout=10)
