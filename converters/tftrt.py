"""A SavedModel to TF-TRT: TensorFlow's own way to TensorRT, FP32, FP16 or INT8.

It works where TensorFlow still has it, on an NVIDIA GPU in the environment of requirements/tf-trt.txt. What
is imported here runs on Python 3.10 too: TensorRT 8.5's own module comes for no other, and both are measured
side by side.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from capture.files import replacing_folder
from capture.frame import Frame
from converters.int8 import FEWEST_FRAMES, place_frames
from detection.boxes import SizeWH
from detection.darknet import parse_cfg
from detection.preprocess import Canvas
from detection.saved_model import check_saved_model, check_target, read_metadata, write_metadata

Precision = Literal["int8", "fp16", "fp32"]

WORKSPACE_BYTES = 1 << 30
ENVIRONMENT = "`make tf-trt` makes an environment that has it (docs/tf-trt.md)"


def convert_tftrt(
    saved_model: Path, precision: Precision, frames: Iterable[Frame] | None, out: Path
) -> dict[str, Any]:
    """Write a SavedModel whose network is TensorRT engines, built for this GPU and the model's one input.

    INT8 is calibrated on `frames` by TensorRT's entropy method. Returns out, precision, engines (how many
    parts of the graph became one), frames (calibrated on) and tensorrt (its version). UserError for a folder
    that is no SavedModel of ours, INT8 without frames or with too few, and an environment without TF-TRT.
    """
    if frames is None and precision == "int8":
        raise UserError(f"expected --calibration with {FEWEST_FRAMES} recorded frames or more for int8")
    if frames is not None and precision != "int8":
        raise UserError(f"expected no --calibration, which int8 alone needs, got one for {precision}")
    metadata = read_metadata(check_saved_model(saved_model))
    check_target(out)
    version = check_environment()
    config = parse_cfg(metadata["darknet_cfg"], f"the cfg in {saved_model}")
    size_wh = (config.width_px, config.height_px)
    images = [] if frames is None else place_frames(frames, Canvas(size_wh))
    facts = {"precision": precision, "tensorrt": version}
    calibration = {"calibration": f"entropy on {len(images)} frames"} if images else {}
    with replacing_folder(out) as made:
        engines = build_engines(saved_model, precision, images, size_wh, made)
        write_metadata(made, {**metadata, **facts, **calibration})
    return {"out": str(out), **facts, "engines": engines, "frames": len(images)}


def check_environment() -> str:
    """The version of TensorRT that TensorFlow has loaded; UserError where anything is missing."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise UserError(f"tf-trt needs TensorFlow 2.14.1: {ENVIRONMENT}") from error
    if not tf.sysconfig.get_build_info().get("is_tensorrt_build"):
        raise UserError(
            f"expected a TensorFlow with TF-TRT, got {tf.__version__}, which has none (2.18 dropped it): use "
            f"`run_aimbot.py convert tensorrt`; {ENVIRONMENT}"
        )
    from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils as library

    linked, loaded = library.get_linked_tensorrt_version(), library.get_loaded_tensorrt_version()
    if loaded[0] != linked[0]:
        found = ".".join(map(str, loaded)) if any(loaded) else "none"
        raise UserError(f"expected the libraries of TensorRT {linked[0]}, got {found}: {ENVIRONMENT}")
    if not tf.config.list_physical_devices("GPU"):
        raise UserError(
            "expected an NVIDIA GPU with driver 520.61 or newer and the CUDA 11.8 libraries, TensorFlow sees "
            f"none: {ENVIRONMENT}; `run_aimbot.py convert tensorrt` builds without a GPU, too"
        )
    return ".".join(map(str, loaded))


def build_engines(
    saved_model: Path, precision: Precision, images: Sequence[NDArray[np.uint8]], size_wh: SizeWH, out: Path
) -> int:
    """Convert, calibrate on `images` if there are any, build for one input, save; returns the engines' count.

    UserError if no part of the graph became an engine: it would run as before.
    """
    import tensorflow as tf

    from detection.backends.tensorflow import prepare_runtime

    prepare_runtime(threads=0)
    converter = tf.experimental.tensorrt.Converter(
        input_saved_model_dir=str(saved_model),
        precision_mode=precision.upper(),
        use_calibration=bool(images),
        max_workspace_size_bytes=WORKSPACE_BYTES,
    )
    feeds = [{"images": image} for image in images]
    converted = converter.convert(calibration_input_fn=(lambda: iter(feeds)) if feeds else None)
    engines = [node.op for node in converted.graph.as_graph_def().node].count("TRTEngineOp")
    if not engines:
        raise UserError(f"expected a graph that TensorRT can run, of {saved_model} it takes no part")
    blank = np.zeros((1, size_wh[1], size_wh[0], 3), np.uint8)
    converter.build(input_fn=lambda: iter([{"images": blank}]))
    converter.save(str(out))
    return engines
