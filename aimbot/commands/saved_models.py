"""`convert saved-model` and `convert tf-trt`: models for TensorFlow.

The second runs on Python 3.10 too (see converters/tftrt.py), so it imports neither the settings nor the loop.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converters.tftrt import Precision


def convert_to_saved_model(
    cfg: Path | None, weights: Path | None, names: Path | None, model: str | None, out: Path
) -> dict[str, Any]:
    """A cfg with its weights, or a deploy ONNX of any precision, to a SavedModel."""
    from aimbot.commands.models import choose_source, note_weights, read_class_names
    from converters.darknet import DarknetModel, read_darknet
    from converters.onnx import build_loaded_network
    from converters.saved_model import convert_saved_model
    from detection.darknet import read_cfg
    from detection.weights import read_convolutions

    source = choose_source(cfg, weights, names, model)
    if model is not None:
        return {"out": str(convert_saved_model(read_darknet(source), out))}
    config = read_cfg(source)
    class_names = read_class_names(names, config.heads[0].classes)
    convolutions = read_convolutions(build_loaded_network(config, weights), config)
    result = {"out": str(convert_saved_model(DarknetModel(config, convolutions, tuple(class_names)), out))}
    note_weights(weights, out)
    return result


def convert_to_tftrt(
    saved_model: Path, precision: "Precision", calibration: Path | None, out: Path
) -> dict[str, Any]:
    """A SavedModel to TF-TRT; INT8 is calibrated on all frames of a recording."""
    from capture.clock import monotonic_ns
    from capture.replay import open_replay
    from converters.tftrt import convert_tftrt

    if calibration is None:
        return convert_tftrt(saved_model, precision, None, out)
    recording = open_replay(calibration, paced=False, clock=monotonic_ns)
    try:
        return convert_tftrt(saved_model, precision, iter(recording.grab, None), out)
    finally:
        recording.close()
