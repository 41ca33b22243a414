"""Which convolutions cost a model most when they compute in INT8: those to leave in float first."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame, Region
from converters.onnx import save_model
from converters.parity import match_detections
from converters.qdq import QdqScheme, quantized_convolutions
from detection.detections import Detections
from detection.detector import BackendName, DetectorSettings, open_detector
from detection.training.evaluate import Track

PROBED_FRAMES = 40
PROBE_CONFIDENCE = 0.1  # unsure boxes move first


def rank_convolutions(
    model: Any,
    quantize: Callable[[QdqScheme], Any],
    scheme: QdqScheme,
    images: Sequence[NDArray[np.uint8]],
    backend: BackendName = "auto",
    track: Track = iter,
) -> list[tuple[str, float]]:
    """The convolutions that `scheme` quantizes, most sensitive first, each with its agreement with FP32.

    Each is quantized alone, and the boxes that the model then finds are compared with those of FP32, on the
    runtime that will run it. `quantize` makes an INT8 copy of the model for a scheme; images: uint8
    (1, H, W, 3) each, of which a few are used.
    """
    names = quantized_convolutions(model.graph, scheme)
    frames = [_as_frame(image) for image in images[:: max(1, len(images) // PROBED_FRAMES)]]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probe.onnx"
        wanted = _detect_all(save_model(model, file), frames, backend)
        agreements = {}
        for name in track(names):
            alone = replace(scheme, skip=(*scheme.skip, *(other for other in names if other != name)))
            found = _detect_all(save_model(quantize(alone), file), frames, backend)
            agreements[name] = measure_agreement(wanted, found)
    return sorted(agreements.items(), key=lambda item: item[1])


def measure_agreement(first: Sequence[Detections], second: Sequence[Detections]) -> float:
    """How alike the boxes of two models are on the same frames, from 0 to 1.

    A matched pair counts its overlap times one less its score difference, a box without a partner nothing.
    """
    total = sum(len(one) for one in (*first, *second))
    if total == 0:
        return 1.0
    shared = 0.0
    for one, other in zip(first, second, strict=True):
        overlap, difference = match_detections(one, other)
        shared += 2 * float(np.sum(overlap * (1 - difference)))
    return shared / total


def _detect_all(path: Path, frames: Sequence[Frame], backend: BackendName) -> list[Detections]:
    detector = open_detector(DetectorSettings(model=str(path), backend=backend, confidence=PROBE_CONFIDENCE))
    try:
        return [detector.detect(frame) for frame in frames]
    finally:
        detector.close()


def _as_frame(image: NDArray[np.uint8]) -> Frame:
    _, height, width, _ = image.shape
    return Frame(image[0], 0, 0, Region(0, 0, width, height))
