"""TensorFlow, on the GPU where it sees one: SavedModels of ours, and what TF-TRT makes of them.

It runs on TensorFlow 2.14 and Python 3.10 too: see converters/tftrt.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from capture.errors import UserError
from detection.boxes import SizeWH
from detection.saved_model import check_saved_model, read_metadata
from detection.signature import Signature, Tensor, read_image_input


class TensorFlowBackend:
    """The serving signature of one SavedModel. Not safe to share between threads."""

    name = "tensorflow"

    def __init__(self, path: Path, threads: int = 0, size_wh: SizeWH | None = None) -> None:
        metadata = read_metadata(check_saved_model(path))
        prepare_runtime(threads)
        self._model = load_model(path)  # the signature alone does not keep the variables alive
        self._serve = self._model.signatures["serving_default"]
        inputs = self._serve.structured_input_signature[1]
        outputs = self._serve.structured_outputs
        self._input = next(iter(inputs))
        self._outputs = sorted(outputs, key=lambda name: (len(name), name))  # head_2 before head_10
        self.signature = Signature(
            _read_tensors(inputs), _read_tensors({name: outputs[name] for name in self._outputs}), metadata
        )
        self.input_size_wh = read_image_input(self.signature, size_wh).size_wh
        self.threads = int(tf.config.threading.get_intra_op_parallelism_threads())

    def infer(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs for one image, (1, H, W, 3) BGR."""
        outputs = self._serve(**{self._input: tf.constant(images)})
        return [outputs[name].numpy() for name in self._outputs]

    def close(self) -> None:
        """Free the model; what TensorFlow keeps for the process stays."""
        del self._serve, self._model


def load_model(path: Path) -> Any:
    """A SavedModel with a serving signature; UserError if this TensorFlow cannot load it."""
    try:
        model = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow's errors share no base with those of a damaged file
        if "TRTEngineOp" in str(error):
            raise UserError(
                f"expected a TensorFlow with TF-TRT to run {path}, got {tf.__version__}; "
                "`make tf-trt` makes an environment that has it (docs/tf-trt.md)"
            ) from error
        raise UserError(
            f"expected a SavedModel in {path}, TensorFlow {tf.__version__} cannot read it"
        ) from error
    if "serving_default" not in model.signatures:
        raise UserError(f"expected a SavedModel with a serving signature, {path} has none")
    return model


def prepare_runtime(threads: int) -> None:
    """Settings of TensorFlow's one runtime a process; UserError if it runs with other threads already.

    Of a GPU's memory it takes what it needs, not all of it: the game runs there too.
    """
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            if not tf.config.experimental.get_memory_growth(gpu):
                tf.config.experimental.set_memory_growth(gpu, True)
        if threads and tf.config.threading.get_intra_op_parallelism_threads() != threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise UserError(
            f"expected one number of threads for all TensorFlow models of a run, got {threads} and another"
        ) from error


def _read_tensors(specs: Mapping[str, Any]) -> tuple[Tensor, ...]:
    return tuple(Tensor(spec.dtype.name, tuple(spec.shape)) for spec in specs.values())
