"""How fast TensorRT runs models on the card here: python -m benchmarks.tensorrt FILE.onnx … --engines DIR

Prints one JSON object, and writes it to --out after each row. It needs the card, and runs on Python 3.10 too,
the one that TensorRT 8.5.3.1's wheel on PyPI is for.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame, Region
from detection.backends.tensorrt import TensorRtBackend, name_model, say
from detection.detector import DetectorSettings, YoloDetector
from detection.engines.build import Order, find_engine, place_order
from detection.engines.cuda import Lane, open_card
from detection.engines.engine import read_engine
from detection.engines.graph import Precision
from detection.engines.runtimes import Runtime, check_card, choose_runtime
from detection.layouts import recognise

WARM_UP = 50
BURST = 50  # networks queued at once
# Dense peak in 10^12 operations a second by precision, and memory in 10^9 bytes a second, from NVIDIA's data
# sheets of the SXM cards. FP32 is TF32, which TensorRT multiplies floats in unless it is forbidden to.
CARDS = {
    "H100": ({"int8": 1979.0, "fp16": 989.4, "fp32": 494.7}, 3350.0),
    "H200": ({"int8": 1979.0, "fp16": 989.4, "fp32": 494.7}, 4800.0),
}
ITEM_BYTES: dict[Precision, int] = {"int8": 1, "fp16": 2, "fp32": 4}


def run(
    models: Sequence[Path],
    precisions: Sequence[Precision],
    engines: Path,
    images: Path | None = None,
    validation: Path | None = None,
    rounds: int = 2000,
    out: Path | None = None,
) -> dict[str, Any]:
    """Rows of every model in every precision that its file holds; `images` are pictures to detect on."""
    card = open_card()
    runtime = choose_runtime(card.capability)
    check_card(runtime, card)
    result: dict[str, Any] = {
        "gpu": card.name,
        "compute_capability": card.capability,
        "driver": read_driver(),
        "driver_cuda": "{}.{}".format(*card.driver_cuda),
        "runtime": str(runtime),
        "rounds": rounds,
        "rows": [],
    }
    for model in models:
        for precision in precisions:
            try:
                order = place_order(model, name_model(model), runtime, card, precision)
            except UserError as error:
                say(str(error))
                continue
            result["rows"].append(measure_model(order, runtime, engines, images, validation, rounds))
            if out:
                out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def measure_model(
    order: Order, runtime: Runtime, engines: Path, images: Path | None, validation: Path | None, rounds: int
) -> dict[str, Any]:
    """One row: build time, the network alone, `infer` with its copies, `detect` whole, and the roofline."""
    begun_ns = monotonic_ns()
    path, is_new = find_engine(order, runtime, engines, say)
    build_s = (monotonic_ns() - begun_ns) / 1e9
    card = open_card()
    backend = TensorRtBackend(read_engine(path), runtime, card)
    detector = YoloDetector(backend, recognise(backend.signature, order.title), DetectorSettings())
    frames = read_frames(images, backend.input_size_wh)
    pixels = [detector.preprocess(frame).copy() for frame in frames]
    network_ms = time_network(backend, rounds)
    infer_ms = time_calls(backend.infer, pixels, rounds)
    detect_ms = time_calls(detector.detect, frames, rounds)
    row = {
        "model": Path(order.title).stem,
        "precision": order.key.precision,
        "size": "{}x{}".format(*order.key.size_wh),
        "build_s": round(build_s, 1) if is_new else None,
        "engine_mib": path.stat().st_size / 2**20,
        "network_ms": summarize(network_ms),
        "infer_ms": summarize(infer_ms),
        "detect_ms": summarize(detect_ms),
        "network_fps": float(1000 / network_ms.mean()),
        "fps": float(1000 / detect_ms.mean()),
        "boxes": float(np.mean([len(detector.detect(frame)) for frame in frames])),
        "roofline": find_roofline(order, card.name),
        **({"map50": evaluate_map50(backend, order.title, validation)} if validation else {}),
    }
    detector.close()
    say(json.dumps(row))
    return row


def time_network(backend: TensorRtBackend, rounds: int) -> NDArray[np.float64]:
    """Milliseconds of the network alone as a graph, between events of runs that are queued back to back."""
    card = backend.card
    lane = Lane(card)
    lane.record(lambda: backend.queue_network(lane.stream))
    events = [card.call("cuEventCreate", 0) for _ in range(BURST + 1)]
    taken: list[float] = []
    while len(taken) < rounds + WARM_UP:
        card.call("cuEventRecord", events[0], lane.stream)
        for event in events[1:]:
            lane.launch()
            card.call("cuEventRecord", event, lane.stream)
        lane.wait()
        queued = pairwise(events[1:])  # the first run waits for its launch
        taken += [card.call("cuEventElapsedTime", begin, end) for begin, end in queued]
    for event in events:
        card.call("cuEventDestroy", event)
    lane.close()
    return np.array(taken[WARM_UP:])


def time_calls(function: Any, arguments: Sequence[Any], rounds: int) -> NDArray[np.float64]:
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


def find_roofline(order: Order, gpu: str) -> dict[str, float | None]:
    """The least time that the card's peaks allow the convolutions; no times for a card that is not in CARDS.

    macs: multiply-adds. bytes: weights, and each convolution's input and output, once; where they stay in
    the card's cache the memory is asked for less.
    """
    macs, items = count_work(order)
    count = items * ITEM_BYTES[order.key.precision]
    for name, (peaks, bandwidth) in CARDS.items():
        if name in gpu:
            peak = peaks[order.key.precision]
            compute_ms, memory_ms = 2 * macs / peak / 1e9, count / bandwidth / 1e6
            return {"macs": macs, "bytes": count, "compute_ms": compute_ms, "memory_ms": memory_ms}
    return {"macs": macs, "bytes": count, "compute_ms": None, "memory_ms": None}


def count_work(order: Order) -> tuple[int, int]:
    """Multiply-adds of the convolutions, and the numbers in their weights, inputs and outputs."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(order.onnx))
    graph = model.graph
    sizes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    sizes |= {value.name: list(value.dims) for value in graph.initializer}
    macs = items = 0
    for node in graph.node:
        if node.op_type == "Conv":
            taken, kernel, given = (sizes[name] for name in (*node.input[:2], node.output[0]))
            macs += int(np.prod(given) * np.prod(kernel[1:]))
            items += int(np.prod(taken) + np.prod(kernel) + np.prod(given))
    return macs, items


def evaluate_map50(backend: TensorRtBackend, title: str, validation: Path) -> float:
    """COCO mAP50 on labelled images."""
    from detection.training.evaluate import evaluate, settings_for_evaluation
    from detection.training.formats import read_dataset

    settings = settings_for_evaluation(DetectorSettings())
    detector = YoloDetector(backend, recognise(backend.signature, title), settings)
    dataset = read_dataset(validation, split="validation")
    return float(evaluate(detector, dataset, title, track=iter)["map50"])


def read_frames(images: Path | None, size_wh: tuple[int, int]) -> list[Frame]:
    """Pictures at the network's own size, as a capture of that size gives them; noise if there are none."""
    width, height = size_wh
    region = Region(0, 0, width, height)
    if images is None:
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        return [Frame(noise, 0, 0, region)]
    pictures = [cv2.imread(str(path)) for path in sorted(images.iterdir())[:200]]
    return [
        Frame(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA), 0, number, region)
        for number, picture in enumerate(pictures)
        if picture is not None
    ]


def read_driver() -> str:
    """The driver's version and the card's clocks, as nvidia-smi gives them."""
    fields = "driver_version,clocks.max.sm,power.limit"
    asked = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="FILE.onnx")
    parser.add_argument("--precision", nargs="+", default=["fp32", "fp16", "int8"], choices=list(ITEM_BYTES))
    parser.add_argument("--engines", type=Path, required=True, help="where engines and timings are kept")
    parser.add_argument("--images", type=Path, help="a folder of pictures to detect on; noise without")
    parser.add_argument("--validation", type=Path, help="labelled images: adds map50")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="a JSON file")
    asked = parser.parse_args()
    try:
        result = run(
            asked.models,
            asked.precision,
            asked.engines,
            asked.images,
            asked.validation,
            asked.rounds,
            asked.out,
        )
    except UserError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
