"""From a lit square to the mouse: what arrives is what was sent, for each flash."""

import numpy as np
import pytest
from aim_helpers import make_frame

from aimbot.commands.common import gather_settings
from arena.lamp import GRID_PX, LAMP_PX, WINDOW_TITLE
from benchmarks.latency import OVERRIDES, LampDetector, run, was_sent


def test_the_lamp_is_found_where_it_is() -> None:
    frame = make_frame(0, 0)
    frame.pixels[:] = 0
    assert len(LampDetector(None).detect(frame)) == 0
    left, top = 23 * GRID_PX, 4 * GRID_PX
    frame.pixels[top : top + LAMP_PX, left : left + LAMP_PX] = 255
    found = LampDetector(None).detect(frame)
    np.testing.assert_array_equal(found.xyxy_px, [[left, top, left + LAMP_PX, top + LAMP_PX]])


def test_a_motion_is_held_against_the_first_one_sent_since_the_flash() -> None:
    moves = [(10, 5, 5), (30, 7, -2), (31, 1, 1)]
    assert was_sent({"lit_ns": 20, "dx_counts": 7, "dy_counts": -2}, moves)
    assert not was_sent({"lit_ns": 20, "dx_counts": 8, "dy_counts": -2}, moves)
    assert not was_sent({"lit_ns": 40, "dx_counts": 1, "dy_counts": 1}, moves)


@pytest.mark.usefixtures("xvfb_display")
def test_each_flash_moves_the_mouse_by_what_was_sent_for_it() -> None:
    sets = [f"capture.window={WINDOW_TITLE}", "loop.budget_ms=400", *OVERRIDES]
    row = run(gather_settings("default", sets), None, flashes=20)
    assert (row["samples"], row["missed"], row["delta_mismatches"]) == (20, 0, 0)
    assert len(row["latencies_ms"]) == 20
    assert row["pixel_to_mouse_ms"]["p50"] > 0
