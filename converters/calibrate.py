"""Ranges of a graph's activations on recorded frames: min-max, percentile, entropy."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detection.training.evaluate import Track

Method = Literal["entropy", "minmax", "percentile"]
Range = tuple[float, float]

SIGNED_BINS = 8192
MAGNITUDE_BINS = 2048  # TensorRT's number
PERCENTILE = 99.999  # of 99.9 to 99.9999, the least error in the heads of doom-tiny on validation maps
LOST_PENALTY = 20.0  # nats for a value with no place in the quantized distribution, where KL is infinite


def collect_ranges(
    model: Any,
    images: Sequence[NDArray[np.uint8]],
    tensors: Sequence[str],
    methods: Sequence[Method],
    levels: int = 256,
    track: Track = iter,
) -> dict[Method, dict[str, Range]]:
    """Lowest and highest value worth representing of each tensor, by each method, in two passes.

    images: uint8 (1, H, W, 3 or 4) each, as the network takes them. `levels`: of the quantized activations.
    """
    session = _open_with_outputs(model, tensors)
    lows, highs = np.full(len(tensors), np.inf), np.full(len(tensors), -np.inf)
    for image in track(images):
        for index, values in enumerate(session.run(list(tensors), {"images": image})):
            lows[index] = min(lows[index], float(values.min()))
            highs[index] = max(highs[index], float(values.max()))
    found: dict[Method, dict[str, Range]] = {"minmax": dict(zip(tensors, _pair(lows, highs), strict=True))}
    signed = np.zeros((len(tensors), SIGNED_BINS), np.int64)
    magnitude = np.zeros((len(tensors), MAGNITUDE_BINS), np.int64)
    for image in track(images) if set(methods) - {"minmax"} else ():
        for index, values in enumerate(session.run(list(tensors), {"images": image})):
            top = max(-lows[index], highs[index])
            signed[index] += _count_bins(values, SIGNED_BINS, lows[index], highs[index])
            magnitude[index] += _count_bins(np.abs(values), MAGNITUDE_BINS, 0.0, top)
    for index, (tensor, span) in enumerate(found["minmax"].items()):
        if "percentile" in methods:
            found.setdefault("percentile", {})[tensor] = percentile_range(signed[index], span)
        if "entropy" in methods:
            found.setdefault("entropy", {})[tensor] = entropy_range(magnitude[index], span, levels)
    return {method: found[method] for method in methods}


def percentile_range(counts: NDArray[np.int64], span: Range, percentile: float = PERCENTILE) -> Range:
    """The range that leaves out the same share of values at either end; counts over equal bins of `span`."""
    edges = np.linspace(*span, len(counts) + 1)
    share = np.cumsum(counts) / counts.sum()
    tail = (100 - percentile) / 200
    low = edges[int(np.searchsorted(share, tail))]
    high = edges[min(int(np.searchsorted(share, 1 - tail)) + 1, len(counts))]
    return float(low), float(high)


def entropy_range(counts: NDArray[np.int64], span: Range, levels: int = 256) -> Range:
    """The range whose quantized distribution diverges least from the true one, cut to `span`.

    counts: of magnitudes, over equal bins from 0 to the largest. Migacz, "8-bit inference with TensorRT"
    (2017): for each threshold, the values beyond are moved to its last bin (P), the bins below are merged
    to `levels` and spread again over the non-empty ones (Q); the least KL(P || Q) wins.
    """
    magnitude = counts.astype(np.float64)
    magnitude[0] = magnitude[1]  # zero holds the padding, not information
    thresholds = range(levels, len(counts) + 1, levels // 16)
    best = min(thresholds, key=lambda end: _divergence(magnitude, end, levels))
    threshold = max(-span[0], span[1]) * best / len(counts)
    return max(span[0], -threshold), min(span[1], threshold)


def _divergence(magnitude: NDArray[np.float64], end: int, levels: int) -> float:
    true = magnitude[:end].copy()
    true[-1] += magnitude[end:].sum()
    level = np.arange(end) * levels // end
    filled = magnitude[:end] > 0
    mass = np.bincount(level, magnitude[:end], levels)
    width = np.bincount(level, filled, levels)
    spread = np.divide(mass, width, out=np.zeros(levels), where=width > 0)[level] * filled
    if not spread.any():
        return float("inf")
    true, spread = true / true.sum(), spread / spread.sum()
    both = (true > 0) & (spread > 0)
    lost = float(true[(true > 0) & ~both].sum())
    return float(np.sum(true[both] * np.log(true[both] / spread[both]))) + lost * LOST_PENALTY


def _count_bins(values: NDArray[np.float32], bins: int, low: float, high: float) -> NDArray[np.int64]:
    width = max(high - low, 1e-12)
    index = ((values.reshape(-1) - np.float32(low)) * np.float32(bins / width)).astype(np.int32)
    return np.bincount(np.clip(index, 0, bins - 1), minlength=bins)


def _pair(lows: NDArray[np.float64], highs: NDArray[np.float64]) -> list[Range]:
    return [(float(low), float(high)) for low, high in zip(lows, highs, strict=True)]


def _open_with_outputs(model: Any, tensors: Sequence[str]) -> Any:
    """An ONNX Runtime session that also returns the named float tensors."""
    import onnx
    import onnxruntime

    augmented = onnx.ModelProto()
    augmented.CopyFrom(model)
    for tensor in tensors:
        augmented.graph.output.append(
            onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None)
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        augmented.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
