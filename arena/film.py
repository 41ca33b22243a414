"""A window that shows a recording, faster than any detector: a game that costs next to nothing.

`python -m arena.film RECORDING` speaks as `arena.doom` does, and shows pictures until it is ended.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from Xlib import X, Xutil
from Xlib.display import Display

from arena.process import EventProcess
from capture.clock import monotonic_ns, sleep_s
from capture.errors import UserError
from capture.frame import Pixels
from capture.replay import open_replay

WINDOW_TITLE = "Film"
PICTURES = 60  # each stays in the X server's memory
HZ = 240.0
ROWS_A_REQUEST = 64


class FilmProcess(EventProcess):
    """`python -m arena.film`."""

    def __init__(self, recording: Path) -> None:
        super().__init__("arena.film", [str(recording)])


class FilmWindow:
    """A window of the pictures' size, and the pictures, in the X server."""

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        """Open it on the present DISPLAY; pictures: (H, W, 3 or 4) BGR(A), all of one size."""
        height, width = pictures[0].shape[:2]
        self._size_wh = width, height
        self._display = Display()
        screen = self._display.screen()
        self._depth = screen.root_depth
        self._window = screen.root.create_window(0, 0, width, height, 0, self._depth)
        self._window.set_wm_name(WINDOW_TITLE)
        self._window.set_wm_normal_hints(flags=Xutil.PMinSize, min_width=width, min_height=height)
        self._brush = self._window.create_gc()
        self._stills = [self._upload(pixels) for pixels in pictures]
        self._window.map()
        self._display.sync()

    def show(self, number: int) -> None:
        """Draw a picture, by one request, so that none is seen half drawn."""
        still = self._stills[number % len(self._stills)]
        self._window.copy_area(self._brush, still, 0, 0, *self._size_wh, 0, 0)
        self._display.sync()

    def _upload(self, pixels: Pixels) -> Any:
        width, height = self._size_wh
        still = self._window.create_pixmap(width, height, self._depth)
        padded = np.zeros((height, width, 4), np.uint8)
        padded[..., :3] = pixels[..., :3]
        for top in range(0, height, ROWS_A_REQUEST):
            rows = padded[top : top + ROWS_A_REQUEST]
            still.put_image(self._brush, 0, top, width, len(rows), X.ZPixmap, self._depth, 0, rows.tobytes())
        return still


def read_pictures(recording: Path) -> list[Pixels]:
    """The first pictures of a recording; UserError for one without any."""
    source = open_replay(recording, paced=False, clock=monotonic_ns)
    try:
        pictures = [frame.pixels for frame in islice(iter(source.grab, None), PICTURES)]
    finally:
        source.close()
    if not pictures:
        raise UserError(f"expected frames in {recording}, found none")
    return pictures


def main() -> None:
    """Command line of the film's process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    window = FilmWindow(read_pictures(parser.parse_args().recording))
    print(json.dumps({"event": "ready", "window": WINDOW_TITLE}), flush=True)
    sys.stdin.readline()  # the player says go
    begun_ns = monotonic_ns()
    for number in count():
        window.show(number)
        sleep_s(max(0.0, (begun_ns - monotonic_ns()) / 1e9 + (number + 1) / HZ))


if __name__ == "__main__":
    main()
