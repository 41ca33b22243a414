"""Starting a training from a model whose batch norms were folded away."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from detection.darknet import DarknetConfig

IMAGES_AT_ONCE = 8


def measure_norms(network: Any, config: DarknetConfig, pixels: NDArray[np.uint8]) -> int:
    """Give batch norms that change nothing the statistics of some frames; returns how many there were.

    pixels: uint8 (N, H, W, 3) BGR, of the network's size. A folded model, such as a deploy ONNX, comes back
    with norms of gamma 1, mean 0 and variance 1: at inference they do nothing, but training normalizes by
    each batch, and would take the network apart. With mean and variance as measured, gamma = sqrt(variance)
    and beta moved by the mean, the network computes what it did, and training starts from there.
    """
    norms = {
        index: network.get_layer(f"bn_{index}")
        for index, section in enumerate(config.sections)
        if section.type == "convolutional" and section.integer("batch_normalize")
    }
    folded = {index: norm for index, norm in norms.items() if _is_identity(norm)}
    if not folded:
        return 0
    outputs = [network.get_layer(f"conv_{index}").output for index in folded]
    probe = keras.Model(network.inputs, outputs)
    for norm, (mean, variance) in zip(folded.values(), _measure(probe, pixels, len(outputs)), strict=True):
        _, beta, _, _ = norm.get_weights()
        norm.set_weights([np.sqrt(variance + norm.epsilon), beta + mean, mean, variance])
    return len(folded)


def _is_identity(norm: Any) -> bool:
    gamma, _, mean, _ = norm.get_weights()
    return bool(np.all(gamma == 1) and np.all(mean == 0))


def _measure(
    probe: Any, pixels: NDArray[np.uint8], outputs: int
) -> Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Mean and variance of each output's channels."""
    sums: list[Any] = [0.0] * outputs
    squares: list[Any] = [0.0] * outputs
    counts = [0] * outputs
    for start in range(0, len(pixels), IMAGES_AT_ONCE):
        images = pixels[start : start + IMAGES_AT_ONCE, ..., ::-1].astype(np.float32) / 255
        found = probe.predict_on_batch(images)
        for index, values in enumerate(found if isinstance(found, list | tuple) else [found]):
            flat = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
            sums[index] = sums[index] + flat.sum(axis=0)
            squares[index] = squares[index] + np.square(flat).sum(axis=0)
            counts[index] += len(flat)
    for total, square, count in zip(sums, squares, counts, strict=True):
        mean = total / count
        yield mean, np.maximum(square / count - np.square(mean), 0.0)
