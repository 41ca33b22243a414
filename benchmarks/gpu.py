"""What the benchmarks of a graphics card share: clocks, frames, mAP. It runs on Python 3.10 too."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.clock import monotonic_ns
from capture.errors import UserError, blame_paths
from capture.frame import Frame, Region
from detection.boxes import SizeWH
from detection.detector import Backend, DetectorSettings, YoloDetector
from detection.layouts import recognise

WARM_UP = 50
MOST_PICTURES = 200


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, as those of the commands."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        self.exit(2, f"error: {message}; see --help\n")


def print_outcome(run: Callable[[], Mapping[str, Any]]) -> None:
    """Print what a run gives as one JSON object; a mistake of the user's is a line, and exit code 2."""
    try:
        with blame_paths():
            print(json.dumps(run()))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def check_inputs(images: Path | None, validation: Path | None, out: Path | None) -> None:
    """UserError, before engines are built for minutes, for what cannot be read or written later."""
    if images is not None and not read_pictures(images):
        raise UserError(f"expected pictures in --images {images}, found none that can be read; name another")
    if validation is not None:
        from detection.training.formats import read_dataset

        read_dataset(validation, split="validation")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UserError(f"expected --out to be a file in a folder that is there, got {out}; name another")


def measure_backend(
    backend: Backend, title: str, images: Path | None, validation: Path | None, rounds: int
) -> dict[str, Any]:
    """Of a row: `infer` with its copies, `detect` whole, its frames a second, and mAP where labels are."""
    layout = recognise(backend.signature, title)
    detector = YoloDetector(backend, layout, DetectorSettings())
    frames = read_frames(images, backend.input_size_wh)
    pixels = [detector.preprocess(frame).copy() for frame in frames]
    infer_ms = time_calls(backend.infer, pixels, rounds)
    detect_ms = time_calls(detector.detect, frames, rounds)
    return {
        "infer_ms": summarize(infer_ms),
        "detect_ms": summarize(detect_ms),
        "fps": float(1000 / detect_ms.mean()),
        "boxes": float(np.mean([len(detector.detect(frame)) for frame in frames])),
        **(evaluate_backend(backend, title, validation) if validation else {}),
    }


def time_calls(
    function: Callable[[Any], object], arguments: Sequence[Any], rounds: int
) -> NDArray[np.float64]:
    """Milliseconds of calls of a function on arguments in turn, by the clock."""
    taken_ms = np.zeros(rounds)
    for number in range(-WARM_UP, rounds):
        argument = arguments[number % len(arguments)]
        begun_ns = monotonic_ns()
        function(argument)
        if number >= 0:
            taken_ms[number] = (monotonic_ns() - begun_ns) / 1e6
    return taken_ms


def summarize(taken_ms: NDArray[np.float64]) -> dict[str, float]:
    """Median, 99th percentile and mean."""
    return {
        "p50": float(np.median(taken_ms)),
        "p99": float(np.quantile(taken_ms, 0.99)),
        "mean": float(taken_ms.mean()),
    }


def evaluate_backend(backend: Backend, title: str, validation: Path) -> dict[str, float]:
    """COCO mAP50 and mAP50-95 on labelled images."""
    from detection.training.evaluate import evaluate, settings_for_evaluation
    from detection.training.formats import read_dataset

    settings = settings_for_evaluation(DetectorSettings())
    detector = YoloDetector(backend, recognise(backend.signature, title), settings)
    figures = evaluate(detector, read_dataset(validation, split="validation"), title)
    return {name: float(figures[name]) for name in ("map50", "map50_95")}


def read_frames(images: Path | None, size_wh: SizeWH) -> list[Frame]:
    """Pictures at the network's own size, as a capture of that size gives them; noise if there are none."""
    width, height = size_wh
    region = Region(0, 0, width, height)
    if images is None:
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        return [Frame(noise, 0, 0, region)]
    return [
        Frame(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA), 0, number, region)
        for number, picture in enumerate(read_pictures(images))
    ]


def read_pictures(images: Path) -> list[NDArray[np.uint8]]:
    """The first pictures of a folder by name, what is none left out; UserError for what is no folder."""
    if not images.is_dir():
        raise UserError(f"expected --images to be a folder of pictures, got {images}; name another")
    pictures = [cv2.imread(str(path)) for path in sorted(images.iterdir())[:MOST_PICTURES] if path.is_file()]
    return [picture for picture in pictures if picture is not None]


def ask_driver(*fields: str) -> str:
    """What nvidia-smi says of the first card; UserError where it is missing, or fails."""
    asked = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"expected an NVIDIA card that nvidia-smi tells of, got: {error}") from error
    return told.splitlines()[0].strip()


def describe_driver() -> str:
    """The driver's version, the card's largest clock and its power limit."""
    return ask_driver("driver_version", "clocks.max.sm", "power.limit")


def write_result(result: Mapping[str, Any], out: Path | None) -> None:
    """The rows so far, so that a run that breaks off loses one row at most."""
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
