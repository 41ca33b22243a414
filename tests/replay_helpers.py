"""Sessions to replay, and their frames."""

from pathlib import Path

import numpy as np

from capture.clock import monotonic_ns
from capture.frame import Frame, Region
from capture.recorder import SessionRecorder
from capture.replay import ReplaySource, open_replay


def make_frame(frame_id: int, captured_ns: int, size_wh: tuple[int, int] = (32, 24)) -> Frame:
    random = np.random.default_rng(frame_id)
    width, height = size_wh
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Frame(pixels, captured_ns, frame_id, Region(3, 4, width, height))


def write_session(path: Path, frames: list[Frame], segment_frames: int = 4) -> None:
    with SessionRecorder(path, {"note": "x"}, fps_hint=50, segment_frames=segment_frames) as recorder:
        for frame in frames:
            recorder.write(frame, {"double": 2 * frame.frame_id})


def grab_all(source: ReplaySource) -> list[Frame]:
    frames = []
    while (frame := source.grab()) is not None:
        frames.append(frame)
    source.close()
    return frames


def open_fast(path: Path) -> ReplaySource:
    return open_replay(path, False, monotonic_ns)
