"""`benchmark loop`: what it prints, and the flame chart of a frame."""

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from aimbot.commands.benchmark import read_frames, show_film
from aimbot.config import load_settings
from aimbot.telemetry import Stamps
from arena import film
from benchmarks import flame, loop


def test_the_loop_is_measured_beside_its_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in (("ROUNDS", 2), ("FRAMES_A_ROUND", 6), ("COUNTED", 200)):
        monkeypatch.setattr(loop, name, count)
    chart = tmp_path / "frame.png"
    result = loop.run(load_settings("doom"), read_frames(None), chart=chart)
    assert (result["model"], result["frames"]) == ("doom-nano", 12)
    assert result["loop_efficiency"] > 0
    assert 0 < result["overhead_ms"]["p50"] <= result["overhead_ms"]["p99"]
    assert result["allocations"]["kept_blocks"] < 2  # a record kept for each frame is more
    assert result["allocations"]["peak_kib"] > 0
    assert cv2.imread(str(chart)) is not None


@pytest.mark.usefixtures("xvfb_display")
def test_the_loop_captures_what_a_window_shows() -> None:
    settings = load_settings("doom")
    shown = [frame.pixels[..., :3] for frame in read_frames(None)[: film.PICTURES]]
    with show_film(None, settings) as open_feed, closing(open_feed()) as source:
        frames = [source.grab() for _ in range(4)]
    for frame in frames:
        assert frame is not None
        assert any(np.array_equal(frame.pixels[..., :3], picture) for picture in shown)
    assert len({frame.pixels.tobytes() for frame in frames if frame}) > 1


def test_the_chart_is_of_the_median_frame_and_its_stages_fill_it() -> None:
    ages_ns = (9_000, 5_000, 7_000)
    stamps = [Stamps(100, 200, 300, 400, 500, 100 + age_ns) for age_ns in ages_ns]
    chosen = flame.choose_median(stamps)
    assert chosen.moved_ns == 7_100
    bars = {name: (depth, began, ended) for name, depth, began, ended in flame.list_bars(chosen)}
    for depth, parts, whole in (
        (1, ("wait", "detect", "decide", "move"), "frame"),
        (2, ("select", "steer"), "decide"),
    ):
        assert [bars[name][0] for name in parts] == [depth] * len(parts)
        assert sum(bars[name][2] - bars[name][1] for name in parts) == bars[whole][2] - bars[whole][1]
