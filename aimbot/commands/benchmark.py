"""`benchmark`: figures from benchmarks/, as JSON or a table."""

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from aimbot.cli_options import print_json
from aimbot.commands.common import (
    check_file,
    gather_settings,
    make_folder,
    open_recording,
    require_vizdoom,
    shipped_recording,
    show_progress,
)
from aimbot.config import Settings
from aimbot.pointer import NullPointer, Pointer, open_pointer
from aimbot.protected import refuse_protected
from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame
from capture.source import FrameSource, open_source
from detection.detector import BackendName, open_detector
from detection.training.report import require_matplotlib

FRAMES = 200


def measure_loop(
    source: Path | None, window: bool, profile: str, overrides: list[str], chart: Path | None, as_json: bool
) -> None:
    """Loop efficiency, with the real pointer where there is a display to move it on; it presses nothing.

    window: the frames are shown in a window, and captured from there.
    """
    from benchmarks import loop
    from benchmarks.pointer import MovingPointer

    refuse_protected()
    if chart:
        require_matplotlib()  # before the measurement
        check_file(chart, "--chart")
        make_folder(chart.parent, "--chart")
    settings, frames = gather_settings(profile, overrides), read_frames(source)
    with ExitStack() as stack:
        open_feed = stack.enter_context(show_film(source, settings)) if window else None
        pointer: Pointer = NullPointer()
        if os.environ.get("DISPLAY"):
            pointer = stack.enter_context(closing(MovingPointer(open_pointer())))
        result = loop.run(settings, frames, pointer, chart, open_feed)
    show(result, loop.print_table, as_json)


@contextmanager
def show_film(source: Path | None, settings: Settings) -> Iterator[Callable[[], FrameSource]]:
    """A window with the frames, on the present display or its own Xvfb; gives what opens its capture."""
    from arena.display import use_display
    from arena.film import WINDOW_TITLE, FilmProcess

    where = {"window": WINDOW_TITLE, "region": None, "monitor": None, "crop_px": "whole"}
    capture = settings.capture.model_copy(update=where)
    with use_display(), FilmProcess(source or shipped_recording()) as film:
        film.wait_ready()
        film.go()
        yield partial(open_source, capture, monotonic_ns)


def measure_soak(seconds: float, arena: bool, profile: str, overrides: list[str], as_json: bool) -> None:
    """A long run, on the shipped recording's frames or in the arena."""
    from arena.display import use_display
    from benchmarks import soak

    settings = gather_settings(profile, overrides)
    if arena:
        require_vizdoom("--arena")
        with use_display():
            result = soak.run_arena(settings, seconds)
    else:
        result = soak.run(settings, read_frames(None), seconds)
    show(result, soak.print_table, as_json)


def measure_capture(pictures: int, as_json: bool) -> None:
    """Drawing to frame, by the reports of drawing and by the time."""
    from arena.display import use_display
    from benchmarks import capture

    with use_display():
        show(capture.run(pictures), capture.print_table, as_json)


def compare_results(old: Path, new: Path, as_json: bool) -> None:
    """Two results files; exits well whatever they say."""
    from benchmarks import compare

    show(compare.run(read_result(old), read_result(new)), compare.print_table, as_json)


def read_result(path: Path) -> dict[str, Any]:
    """What a benchmark printed; UserError for a file that is none of that."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError) as error:
        raise UserError(
            f"expected what `run_aimbot.py benchmark … --json` prints in {path}, got {error}"
        ) from error
    if not isinstance(result, dict):
        raise UserError(
            f"expected one JSON object in {path}, got {type(result).__name__}; see `benchmark --help`"
        )
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no figure; measure anew")


def measure_latency(model: str | None, flashes: int, as_json: bool) -> None:
    """Pixel to mouse, with a detector that takes no time, and with a real one."""
    from arena.display import use_display
    from arena.lamp import WINDOW_TITLE
    from benchmarks import latency

    sets = [f"capture.window={WINDOW_TITLE}", *latency.OVERRIDES]
    settings = gather_settings("default", sets + ([f"detector.model={model}"] if model else []))
    with use_display(), closing(open_detector(settings.detector)) as detector:
        rows = [
            {"detector": name, **latency.run(settings, inside, flashes)}
            for name, inside in (("trivial", None), (settings.detector.model, detector))
        ]
    trivial = {key: rows[0][key] for key in ("samples", "missed", "pixel_to_mouse_ms", "delta_mismatches")}
    show({**trivial, "rows": rows}, latency.print_table, as_json)


def measure_detector(models: list[str], source: Path | None, rounds: int, as_json: bool) -> None:
    """Latency of each model on each installed back end."""
    from benchmarks import detector

    backends: list[BackendName] = ["openvino"]
    if importlib.util.find_spec("onnxruntime") is not None:
        backends.append("onnx")
    result = detector.run(models, backends, read_frames(source), rounds)
    show(result, detector.print_table, as_json)


def measure_peers(model: str, source: Path | None, rounds: int, threads: int | None, as_json: bool) -> None:
    """Latency of one model in every installed runtime, FP32 and INT8."""
    from benchmarks import peers

    cores = psutil.cpu_count(logical=False) or 1
    result = peers.run(model, read_frames(source), rounds, threads or cores)
    show(result, peers.print_table, as_json)


def measure_aim(seeds: int, out: Path | None, as_json: bool) -> None:
    """Aim in simulation; --out takes aim.json and aim.png."""
    from benchmarks.aim import run as aim

    if out:
        require_matplotlib()  # before the minutes of work
        make_folder(out)
    result = aim.run(seeds=seeds, track=show_progress("simulating"))
    if out:
        (out / "aim.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        aim.plot(result, out / "aim.png")
    show(result, aim.print_table, as_json)


def read_frames(source: Path | None) -> list[Frame]:
    """Up to FRAMES frames of a recording; by default the shipped one."""
    recording = open_recording(source or shipped_recording())
    frames: list[Frame] = []
    while len(frames) < FRAMES and (frame := recording.grab()) is not None:
        frames.append(frame)
    recording.close()
    return frames


def show(result: dict[str, Any], print_table: Any, as_json: bool) -> None:
    """JSON on stdout, or the table."""
    if as_json:
        print_json(result)
    else:
        print_table(result)
