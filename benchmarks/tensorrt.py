"""How fast TensorRT runs models on the card here: python -m benchmarks.tensorrt FILE.onnx … --engines DIR

Prints one JSON object, and writes it to --out after each row. It needs the card, and runs on Python 3.10 too,
the one that TensorRT 8.5.3.1's wheel on PyPI is for.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu import (
    WARM_UP,
    OneLineParser,
    check_inputs,
    describe_driver,
    measure_backend,
    print_outcome,
    summarize,
    write_result,
)
from capture.clock import monotonic_ns
from capture.errors import UserError
from detection.backends.tensorrt import TensorRtBackend, name_model, say
from detection.engines.build import Order, find_engine, place_order
from detection.engines.cuda import Lane, open_card
from detection.engines.engine import read_engine
from detection.engines.graph import Precision
from detection.engines.runtimes import Runtime, check_card, choose_runtime

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
    check_inputs(images, validation, out)
    card = open_card()
    runtime = choose_runtime(card.capability)
    check_card(runtime, card)
    result: dict[str, Any] = {
        "gpu": card.name,
        "compute_capability": card.capability,
        "driver": describe_driver(),
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
            write_result(result, out)
    return result


def measure_model(
    order: Order, runtime: Runtime, engines: Path, images: Path | None, validation: Path | None, rounds: int
) -> dict[str, Any]:
    """One row: build time, the network alone, the roofline, and what `measure_backend` gives."""
    begun_ns = monotonic_ns()
    path, is_new = find_engine(order, runtime, engines, say)
    build_s = (monotonic_ns() - begun_ns) / 1e9
    card = open_card()
    backend = TensorRtBackend(read_engine(path), runtime, card)
    network_ms = time_network(backend, rounds)
    row = {
        "model": Path(order.title).stem,
        "precision": order.key.precision,
        "size": "{}x{}".format(*order.key.size_wh),
        "build_s": round(build_s, 1) if is_new else None,
        "engine_mib": path.stat().st_size / 2**20,
        "network_ms": summarize(network_ms),
        "network_fps": float(1000 / network_ms.mean()),
        "roofline": find_roofline(order, card.name),
        **measure_backend(backend, order.title, images, validation, rounds),
    }
    backend.close()
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


def main() -> None:
    """The command line."""
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="FILE.onnx")
    parser.add_argument("--precision", nargs="+", default=["fp32", "fp16", "int8"], choices=list(ITEM_BYTES))
    parser.add_argument("--engines", type=Path, required=True, help="where engines and timings are kept")
    parser.add_argument("--images", type=Path, help="a folder of pictures to detect on; noise without")
    parser.add_argument("--validation", type=Path, help="labelled images: adds map50")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="a JSON file")
    asked = parser.parse_args()
    files = (asked.images, asked.validation, asked.rounds, asked.out)
    print_outcome(lambda: run(asked.models, asked.precision, asked.engines, *files))


if __name__ == "__main__":
    main()
