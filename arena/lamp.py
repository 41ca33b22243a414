"""A window with a lamp: it lights a square, and measures when the mouse moves for it, and by how much.

`python -m arena.lamp --flashes 400` prints one JSON event a line, as `arena.doom` does.
"""

import argparse
import json
import random
import select
import sys
from typing import Any

from Xlib import X, Xutil
from Xlib.display import Display

from capture.clock import monotonic_ns, sleep_s

WINDOW_TITLE = "Lamp"
SIZE_WH = (640, 480)
LAMP_PX = 32
GRID_PX = 16
DARK_S = (0.06, 0.1)  # at random, so that a flash falls anywhere between two looks at the screen
PATIENCE_NS = 500_000_000


class LampWindow:
    """A dark window; a square of it is lit until the pointer moves."""

    def __init__(self) -> None:
        """Open it on the present DISPLAY, and put the pointer into its middle."""
        self._display = Display()
        screen = self._display.screen()
        self._white, self._black = screen.white_pixel, screen.black_pixel
        self._window = screen.root.create_window(
            0, 0, *SIZE_WH, 0, screen.root_depth, background_pixel=self._black, event_mask=X.PointerMotionMask
        )
        self._window.set_wm_name(WINDOW_TITLE)
        self._window.set_wm_normal_hints(flags=Xutil.PMinSize, min_width=SIZE_WH[0], min_height=SIZE_WH[1])
        self._window.map()
        self._display.sync()
        self._brush = self._window.create_gc(foreground=self._white)
        self._eraser = self._window.create_gc(foreground=self._black)

    def flash(self, left_px: int, top_px: int) -> dict[str, Any]:
        """Light a square, wait for the pointer's motion, and put all back.

        latency_ms: from the server's word that the square is there to the motion's arrival here; None if
        none came within half a second. dx_counts, dy_counts: the motion.
        """
        middle_x, middle_y = SIZE_WH[0] // 2, SIZE_WH[1] // 2
        self._window.warp_pointer(middle_x, middle_y)
        sleep_s(random.uniform(*DARK_S))
        self._drain()
        self._window.fill_rectangle(self._brush, left_px, top_px, LAMP_PX, LAMP_PX)
        self._display.sync()
        lit_ns = monotonic_ns()
        moved = self._wait_motion(lit_ns)
        arrived_ns = monotonic_ns()
        self._window.fill_rectangle(self._eraser, left_px, top_px, LAMP_PX, LAMP_PX)
        self._display.sync()
        return {
            "lit_ns": lit_ns,
            "latency_ms": (arrived_ns - lit_ns) / 1e6 if moved else None,
            "dx_counts": moved.event_x - middle_x if moved else 0,
            "dy_counts": moved.event_y - middle_y if moved else 0,
        }

    def _drain(self) -> None:
        self._display.sync()
        while self._display.pending_events():
            self._display.next_event()

    def _wait_motion(self, since_ns: int) -> Any:
        while True:
            while self._display.pending_events():
                event = self._display.next_event()
                if event.type == X.MotionNotify:
                    return event
            left_s = (since_ns + PATIENCE_NS - monotonic_ns()) / 1e9
            if left_s <= 0:
                return None
            select.select([self._display.fileno()], [], [], left_s)

    def close(self) -> None:
        """Close the window."""
        self._display.close()


def main() -> None:
    """Command line of the lamp's process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flashes", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    random.seed(asked.seed)
    window = LampWindow()
    print(json.dumps({"event": "ready", "window": WINDOW_TITLE}), flush=True)
    sys.stdin.readline()  # the player says go
    for _ in range(asked.flashes):
        # Off the middle on both axes, and on the grid that the benchmark's detector looks at.
        left = random.choice((random.randrange(0, 15), random.randrange(23, 38))) * GRID_PX
        top = random.choice((random.randrange(0, 10), random.randrange(18, 28))) * GRID_PX
        print(json.dumps({"event": "flash", **window.flash(left, top)}), flush=True)
    window.close()
    print(json.dumps({"event": "done"}), flush=True)


if __name__ == "__main__":
    main()
