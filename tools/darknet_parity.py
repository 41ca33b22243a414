"""Our Keras models beside OpenCV 4's Darknet importer: `python tools/darknet_parity.py`.

Random weights are written as a .weights file by our writer; OpenCV's importer and ours read it, and every raw
head is compared, at 416 and 608, for the stock cfgs. The figure is the largest absolute difference over the
largest absolute value of that head; above 1e-3 the tool fails. `--reference FILE` writes OpenCV's heads for
the slim networks that tests compare with, so that the tests need no importer (OpenCV 5 has none).
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.darknet import DarknetConfig, parse_cfg, read_cfg, set_classes
from detection.layers import read_activation
from detection.weights import Convolution, load_weights, write_weights

ROOT = Path(__file__).parents[1]
STOCK = ("yolov3", "yolov3-tiny", "yolov4", "yolov4-tiny", "yolov4-tiny-3l")
SIZES = (416, 608)
TOLERANCE = 1e-3
SLIM_WH = (96, 64)
SLIMMING = 8

Heads = list[NDArray[np.float32]]


def compare_heads(ours: Heads, theirs: Heads) -> list[float]:
    """Of each head, the largest absolute difference over the largest absolute value of theirs."""
    pairs = list(zip(ours, theirs, strict=True))
    assert all(our.shape == their.shape for our, their in pairs)
    return [float(np.abs(our - their).max() / np.abs(their).max()) for our, their in pairs]


def slim_networks() -> Iterator[tuple[str, DarknetConfig]]:
    """The stock cfgs with an eighth of the filters, 2 classes and a small input; and one with every layer."""
    for name in STOCK:
        text = set_classes((ROOT / f"configs/{name}.cfg").read_text(encoding="utf-8"), 2)
        config = parse_cfg(resize_cfg(text, *SLIM_WH))
        lines = config.text.splitlines()
        for index in config.kernels.keys() - set(config.head_convolutions):
            section = config.sections[index]
            lines[section.lines["filters"] - 1] = f"filters={section.integer('filters') // SLIMMING}"
        yield name, parse_cfg("\n".join(lines), name)
    yield "every_layer", read_cfg(ROOT / "tests/every_layer.cfg")


def resize_cfg(text: str, width: int, height: int) -> str:
    """The same cfg for another input."""
    text = re.sub(r"(?m)^width=\d+", f"width={width}", text, count=1)
    return re.sub(r"(?m)^height=\d+", f"height={height}", text, count=1)


def random_convolutions(config: DarknetConfig, seed: int) -> Iterator[Convolution]:
    """Weights that keep activations near unit size, with batch-norm variances from 0.5 to 2.

    The bits are Philox's, whose stream NumPy keeps from version to version: references stay valid. What ends
    in a shortcut is scaled down, or every residual block would double the variance.
    """
    bits = np.random.Philox(seed)

    def uniform(low: float, high: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
        units = (bits.random_raw(int(np.prod(shape))) >> np.uint64(11)) * 2.0**-53
        return (low + (high - low) * units).astype(np.float32).reshape(shape)

    for index, shape in config.kernels.items():
        outputs, *fan_in = shape
        limit = float(np.sqrt(6 / np.prod(fan_in)))  # He's variance, 2 / fan-in
        is_residual = config.sections[index + 1].type == "shortcut"
        gamma = (0.15, 0.35) if is_residual else (0.8, 1.2)
        norm = [uniform(low, high, (outputs,)) for low, high in (gamma, (-0.3, 0.3), (0.5, 2.0))]
        kernel, bias = uniform(-limit, limit, shape), uniform(-0.3, 0.3, (outputs,))
        is_normalized = config.sections[index].integer("batch_normalize")
        yield Convolution(kernel, bias, np.stack(norm) if is_normalized else None)


def random_images(size_wh: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """One image of noise, (1, H, W, 3), 0 to 1."""
    raw = np.random.Philox(seed).random_raw(size_wh[0] * size_wh[1] * 3)
    return ((raw >> np.uint64(40)) * 2.0**-24).astype(np.float32).reshape(1, size_wh[1], size_wh[0], 3)


def run_opencv(config: DarknetConfig, weights: Path, images: NDArray[np.float32]) -> Heads:
    """The raw heads (1, h, w, channels) of OpenCV's importer: what comes out just before its yolo layers."""
    cfg = weights.with_suffix(".cfg")
    cfg.write_text(config.text, encoding="utf-8")
    network = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    network.setInput(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    outputs = network.forward([name_head(config, index) for index in config.head_convolutions])
    return [output.transpose(0, 2, 3, 1) for output in outputs]


def name_head(config: DarknetConfig, index: int) -> str:
    """OpenCV's name of a convolution's output; an activation is a layer of its own there, counted on."""
    kind = read_activation(config.sections[index])
    return f"conv_{index}" if kind == "linear" else f"{kind}_{index + 1}"


def run_keras(config: DarknetConfig, weights: Path, images: NDArray[np.float32]) -> Heads:
    """The raw heads (1, h, w, channels) of our model."""
    from detection.network import build_network, list_heads

    network = build_network(config)
    load_weights(network, config, weights)
    return [np.asarray(head) for head in list_heads(network(images, training=False))]


def write_reference(path: Path) -> None:
    """OpenCV's heads of the slim networks, as float32 arrays `name/0`, `name/1`, … of an .npz."""
    heads: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, config in slim_networks():
            weights = Path(folder) / f"{name}.weights"
            write_weights(weights, random_convolutions(config, seed=1))
            for number, head in enumerate(run_opencv(config, weights, random_images(SLIM_WH, seed=2))):
                heads[f"{name}/{number}"] = head
    np.savez_compressed(path, **heads)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, help="write the tests' reference here, and compare nothing")
    parser.add_argument("--names", nargs="+", default=STOCK, choices=STOCK)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        sys.exit(f"expected OpenCV 4, which has a Darknet importer, got {cv2.__version__}")
    if arguments.reference:
        write_reference(arguments.reference)
        return
    worst = 0.0
    print("| cfg | input | largest value of each head | largest difference over it |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names:
            text = (ROOT / f"configs/{name}.cfg").read_text(encoding="utf-8")
            weights = Path(folder) / "random.weights"
            write_weights(weights, random_convolutions(parse_cfg(text), seed=1))
            for size in arguments.sizes:
                config, images = parse_cfg(resize_cfg(text, size, size)), random_images((size, size), seed=2)
                theirs = run_opencv(config, weights, images)
                differences = compare_heads(run_keras(config, weights, images), theirs)
                largest = ", ".join(f"{np.abs(head).max():.2f}" for head in theirs)
                print(f"| {name} | {size} | {largest} | {', '.join(f'{d:.1e}' for d in differences)} |")
                worst = max(worst, *differences)
    if not worst <= TOLERANCE:
        sys.exit(f"expected differences of at most {TOLERANCE}, got {worst:.2g}")


if __name__ == "__main__":
    main()
