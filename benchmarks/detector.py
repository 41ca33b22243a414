"""How fast detectors are: models and back ends in turn, in one run."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from capture.clock import monotonic_ns
from capture.frame import Frame, Region
from detection.detector import BackendName, DetectorSettings, YoloDetector, is_served, open_detector

Track = Callable[[Sequence[int]], Any]

WARM_UP = 10


def run(
    models: Sequence[str] = ("doom-nano", "doom-tiny"),
    backends: Sequence[BackendName] = ("openvino", "onnx"),
    frames: Sequence[Frame] = (),
    rounds: int = 200,
    threads: int = 0,
    track: Track = iter,
) -> dict[str, Any]:
    """Rows of model, backend, precision, size, p50_ms, p99_ms, fps and times_ms; each round runs each once.

    An engine, a SavedModel and a served model run on the one back end that they are for. The time is that
    of `detect` whole, from pixels to boxes, on `frames` in a circle (noise of each model's own size if none
    are given); fps is 1000 / mean.
    """
    settings = [
        DetectorSettings(model=model, backend=backend, threads=threads)
        for model in models
        for backend in (["auto"] if is_for_one_backend(model) else backends)
    ]
    with ExitStack() as stack:
        named = [
            (name_model(choice.model), stack.enter_context(closing(open_detector(choice))))
            for choice in settings
        ]
        return {"rows": measure_in_turns(named, frames, rounds, track)}


def measure_in_turns(
    named: Sequence[tuple[str, YoloDetector]], frames: Sequence[Frame], rounds: int, track: Track = iter
) -> list[dict[str, Any]]:
    """A row for each detector, as of `run`; the first of a pair is what its model is called."""
    detectors = [detector for _, detector in named]
    shown = [list(frames) or [make_noise_frame(detector.input_size_wh)] for detector in detectors]
    taken_ms = np.zeros((len(detectors), rounds))
    for number in track(range(-WARM_UP, rounds)):
        for index, detector in enumerate(detectors):
            frame = shown[index][number % len(shown[index])]
            begun_ns = monotonic_ns()
            detector.detect(frame)
            if number >= 0:
                taken_ms[index, number] = (monotonic_ns() - begun_ns) / 1e6
    return [
        {
            "model": name,
            "backend": detector.backend.name,
            "precision": detector.precision,
            "size": "x".join(map(str, detector.input_size_wh)),
            "p50_ms": float(np.median(times)),
            "p99_ms": float(np.quantile(times, 0.99)),
            "fps": float(1000 / times.mean()),
            "times_ms": times.round(4).tolist(),
            "threads": detector.backend.threads,
        }
        for (name, detector), times in zip(named, taken_ms, strict=True)
    ]


def is_for_one_backend(model: str) -> bool:
    """True for an engine file, a SavedModel folder and the URL of a served model."""
    path = Path(model)
    return path.suffix == ".engine" or path.is_dir() or is_served(model)


def name_model(model: str) -> str:
    """A shipped model's name, a served one's URL, or a file's; model.onnx goes by its folder."""
    if is_served(model):
        return model
    path = Path(model)
    return path.parent.name if path.name == "model.onnx" else path.stem


def make_noise_frame(size_wh: tuple[int, int]) -> Frame:
    """A frame of uniform noise, BGR."""
    width, height = size_wh
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Frame(pixels, 0, 0, Region(0, 0, width, height))


def print_table(result: dict[str, Any], console: Console | None = None) -> None:
    """The rows as a table."""
    table = Table(title="detector: pixels to boxes")
    for name in ("model", "backend", "precision", "size"):
        table.add_column(name, overflow="fold")
    for name in ("p50 ms", "p99 ms", "fps"):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        table.add_row(
            row["model"],
            row["backend"],
            row["precision"],
            row["size"],
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['fps']:.1f}",
        )
    (console or Console()).print(table)
