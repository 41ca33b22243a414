"""docs/performance.md, made from the raw JSON in docs/performance/: `python tools/performance_table.py`.

The JSON is what benchmarks/tensorrt.py, benchmarks/tensorflow.py and `benchmark peers --json` wrote. By hand
came "training", a letter for the weights where one network was trained several times; notes.md there says
what is to be known of the present figures. Where several files of the first two hold the same card, runtime,
model, size and precision, the times are those of the most rounds, and mAP50, which does not depend on rounds,
is that of the most rounds among those that have it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
RAW = ROOT / "docs" / "performance"
NOTES = RAW / "notes.md"
PAGE = ROOT / "docs" / "performance.md"

SIZES = (320, 416, 512, 608)
MODELS = ("yolov4-tiny", "yolov4")
RUNTIMES = {
    "TensorFlow": ("fp32",),
    "TF-TRT": ("fp32", "fp16", "int8"),
    "TensorRT": ("fp32", "fp16", "int8"),
}
UNMEASURED = ""
ABSENT = "–"

# Of others, as they published them: model, card, runtime, and a cell for each of SIZES.
PUBLISHED = (
    ("yolov4", "GTX 1080 Ti", "TensorFlow", "22.2 / 48.6", "18.7 / 56.9", "16.5 / 61.7", ABSENT),
    ("yolov4", "GTX 1080 Ti", "TF-TRT FP32", "31.2 / 48.6", "27.3 / 56.9", "22.6 / 61.7", "18.2 / 63.9"),
    ("yolov4", "GTX 1080 Ti", "TF-TRT FP16", "30.3 / 48.6", "25.4 / 56.9", "21.9 / 61.7", "18.0 / 63.9"),
    ("yolov4", "GTX 1080 Ti", "TF-TRT INT8", "85.2 / 40.6", "62.0 / 48.4", "47.5 / 52.8", "37.3 / 54.5"),
    ("yolov4", "RTX 2080 Ti", "Darknet", "100", "82", "69", "53"),
    ("yolov4", "RTX 2080 Ti", "TensorRT FP32", "116", "103", "91", "62"),
    ("yolov4", "RTX 2080 Ti", "TensorRT FP16", "202", "162", "134", "103"),
    ("yolov4-tiny", "RTX 2080 Ti", "Darknet", ABSENT, "443", ABSENT, ABSENT),
    ("yolov4-tiny", "RTX 2080 Ti", "TensorRT FP32", ABSENT, "609", ABSENT, ABSENT),
    ("yolov4-tiny", "RTX 2080 Ti", "TensorRT FP16", ABSENT, "790", ABSENT, ABSENT),
)

INTRODUCTION = """\
# Performance

Made by `python tools/performance_table.py` from the raw JSON in [docs/performance](performance), not by hand.

## Frames a second / mAP50, batch 1

**An empty cell of ours: not yet measured.** A dash: not published; beside an FPS of ours, mAP50 not measured.
What the figures are of differs, so read down a card, not across cards:
- GTX 1080 Ti: the tutorial that this project comes from; the call of the network with its copies; COCO.
- RTX 2080 Ti: Darknet's README, whose TensorRT rows are tkDNN's with TensorRT 7; COCO, no mAP beside the FPS.
- Ours, bold: all of `detect`, from captured pixels to boxes after suppression. One class, trained on frames
  of Doom-like games; mAP50 in percent on the 600 frames of reserved maps, not to be held against COCO's.
  FP32 may multiply in TF32, as TensorRT does by default.
"""

DETAILS = """
## Where the time goes

p50 / p99 in ms. Network: the graph alone, between events on the card. Infer: with both copies and the call.
Detect: all, as above. Roofline: the least that the card's peaks allow the convolutions, for computing and for
memory (each weight, input and output once). Share: the larger of the two over the network's p50.
"""

REPRODUCE = """
## How to measure it

On the machine of the card, with CPython 3.10 for TensorRT 8.5.3.1 ([tensorrt.md](tensorrt.md) has others):
```
python3.10 -m venv ENV
ENV/bin/pip install tensorrt==8.5.3.1 'cuda-bindings>=12.8' onnx opencv-python \\
  pydantic faster-coco-eval pyyaml
ENV/bin/python -m benchmarks.tensorrt yolov4-tiny-416.onnx --engines engines --images FRAMES \\
  --validation data/reserved --out docs/performance/CARD-yolov4-tiny-416.json
```
The ONNX is what `convert onnx` makes of a cfg and its weights; for INT8, what `convert int8` makes. An engine
takes minutes to build, and is kept in `--engines`. On a CPU: `run_aimbot.py benchmark peers --json`. Then
`python tools/performance_table.py`.

Where the machine of the card has no network, and JAX as its only framework: `tools/gpu_host/pack.sh` packs
the rest elsewhere, and there `train.sh`, `engines.sh`, `measure.sh` and `tensorflow.sh` make frames, train a
cfg, build its engines and measure them. Ours were made in this way, the weights included.

Measured were:
"""


class Key(NamedTuple):
    """What a measurement is of; size is WIDTHxHEIGHT."""

    card: str
    model: str
    runtime: str
    precision: str
    size: str


Measured = Mapping[Key, Mapping[str, Any]]


def make_page(results: Sequence[Mapping[str, Any]], notes: str = "") -> str:
    """The whole page from the objects in the raw files; which benchmark wrote one shows in its keys.

    notes: list items in Markdown on what the figures are of.
    """
    on_cards = [result for result in results if "gpu" in result]
    on_cpus = [result for result in results if "cpu" in result]
    measured = merge_rows(on_cards)
    sections = [
        INTRODUCTION + notes,
        make_comparison(measured),
        DETAILS,
        make_details(measured),
        *(make_peers(result) for result in on_cpus),
        REPRODUCE,
        *describe_cards(on_cards),
    ]
    return "\n".join(sections)


def merge_rows(results: Iterable[Mapping[str, Any]]) -> Measured:
    """Rows measured on cards by what they are of, with rounds and training; of doubles see the module."""
    measured: dict[Key, dict[str, Any]] = {}
    for result in sorted(results, key=lambda result: int(result["rounds"])):
        for row in result["rows"]:
            model = name_network(row["model"])
            key = Key(result["gpu"], model, result["runtime"], row["precision"], row["size"])
            told = {"rounds": result["rounds"], "training": result.get("training", "")}
            measured[key] = measured.get(key, {}) | row | told
    return measured


def name_network(stem: str) -> str:
    """A model file's stem without the size and the precision at its end."""
    return re.sub(r"(-(\d+|fp32|fp16|int8))+$", "", stem)


def make_comparison(measured: Measured) -> str:
    """The table in the tutorial's form: what others published, then ours, measured or not."""
    rows: list[Sequence[str]] = [*PUBLISHED]
    for card in sorted({key.card for key in measured}):
        ours = {key: row for key, row in measured.items() if key.card == card}
        models = [*MODELS, *sorted({key.model for key in ours} - set(MODELS))]
        for model, (runtime, precision) in product(models, list_runtimes(ours)):
            cells = [
                show_cell(ours.get(Key(card, model, runtime, precision, f"{size}x{size}"))) for size in SIZES
            ]
            rows.append((f"**{model}**", f"**{card}**", f"{runtime} {precision.upper()}", *cells))
    return make_table(("model", "card", "runtime", *map(str, SIZES)), rows)


def list_runtimes(measured: Measured) -> list[tuple[str, str]]:
    """Runtimes with their precisions: each of RUNTIMES in the versions measured, or without one."""
    versions = sorted({key.runtime for key in measured})
    names = {name: [version for version in versions if version.split()[0] == name] for name in RUNTIMES}
    others = [version for version in versions if version.split()[0] not in RUNTIMES]
    wanted = [
        (version, precision)
        for name, found in names.items()
        for version, precision in product(found or [name], RUNTIMES[name])
    ]
    return wanted + list(product(others, RUNTIMES["TensorRT"]))


def show_cell(row: Mapping[str, Any] | None) -> str:
    """FPS of `detect` / mAP50 in percent, and the training's letter."""
    if row is None:
        return UNMEASURED
    map50 = f"{100 * row['map50']:.1f}" if "map50" in row else ABSENT
    return f"{row['fps']:.0f} / {map50} {row['training']}".rstrip()


def make_details(measured: Measured) -> str:
    """Times, roofline and rounds of every measurement."""
    heads = (
        *("card", "model", "size", "runtime", "network", "infer", "detect"),
        *("roofline", "share", "mAP50-95", "rounds"),
    )
    rows = [
        (
            key.card,
            key.model,
            key.size,
            f"{key.runtime} {key.precision.upper()}",
            *(show_times(row.get(name)) for name in ("network_ms", "infer_ms", "detect_ms")),
            *show_roofline(row),
            f"{100 * row['map50_95']:.1f}" if "map50_95" in row else ABSENT,
            str(row["rounds"]),
        )
        for key, row in sorted(measured.items())
    ]
    return make_table(heads, rows)


def show_times(summary: Mapping[str, float] | None) -> str:
    """Median / 99th percentile."""
    if summary is None:
        return ABSENT
    return f"{summary['p50']:.3f} / {summary['p99']:.3f}"


def show_roofline(row: Mapping[str, Any]) -> tuple[str, str]:
    """Its two times, and its share of the network's median; nothing where either is unknown."""
    roofline = row.get("roofline", {})
    compute_ms, memory_ms = roofline.get("compute_ms"), roofline.get("memory_ms")
    if compute_ms is None or memory_ms is None:
        return ABSENT, ABSENT
    share = max(compute_ms, memory_ms) / row["network_ms"]["p50"]
    return f"compute {compute_ms:.4f}, memory {memory_ms:.4f}", f"{100 * share:.1f} %"


def make_peers(result: Mapping[str, Any]) -> str:
    """A section for one file of `benchmark peers`: the same weights in other runtimes, on a CPU."""
    first = result["rows"][0]
    title = f"\n## {first['model']} in every runtime, on a CPU\n"
    told = (
        f"`detect` whole at {first['size']} on {first['threads']} threads, {result['rounds']} rounds "
        f"in turns on the same frames; {result['cpu']}.\nMatched: boxes that are those of the first row.\n"
    )
    rows = [
        (
            row["backend"],
            row["precision"].upper(),
            f"{row['p50_ms']:.1f} / {row['p99_ms']:.1f}",
            f"{row['fps']:.1f}",
            f"{100 * row['matched_share']:.1f} %",
        )
        for row in result["rows"]
    ]
    left_out = [
        f"\nLeft out: {row['backend']}, {row.get('precision', 'every precision')}: {row['reason']}."
        for row in result["left_out"]
    ]
    table = make_table(("runtime", "precision", "p50 / p99 ms", "FPS", "matched"), rows)
    return "\n".join([title, told, table, *left_out])


def describe_cards(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each card, driver and runtime."""
    lines = {
        f"- {result['gpu']}, compute capability {result['compute_capability']}, {result['runtime']}; driver, "
        f"largest SM clock and power limit {result['driver']}."
        for result in results
    }
    return sorted(lines)


def make_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The objects in a folder's JSON files, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def main() -> None:
    """The command line."""
    PAGE.write_text(make_page(read_results(RAW), NOTES.read_text(encoding="utf-8")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
