"""A Keras model whose input says which frames to show, and which holds the frames on the device."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from detection.darknet import DarknetConfig
from detection.layers import read_sources
from detection.network import build_network, list_heads
from detection.training.augment import augment_batch
from detection.training.frames import LabelledFrames
from detection.training.loss import yolo_loss
from detection.training.settings import Freeze

AVERAGE_DECAY = 0.9995


class Learner(keras.Model):  # type: ignore[misc]  # Keras has no types
    """One compiled step: augment, run the network, take the loss, average the weights.

    The frames are a variable of the model, so that a step sends some random numbers to the device and no
    pixels. JAX's fit takes variables through the compiled step as donated state: what a step leaves alone, it
    aliases and does not copy. `network` learns; `averaged` is its moving average, batch-norm statistics
    included, in float32: the one to keep.
    """

    def __init__(self, config: DarknetConfig, frames: LabelledFrames, batch: int, precision: str) -> None:
        super().__init__(name="learner", dtype="float32")
        keras.config.set_dtype_policy(precision)
        self.network = build_network(config)
        keras.config.set_dtype_policy("float32")
        self.averaged = build_network(config)
        self.averaged.trainable = False
        self.frames = keras.Variable(frames.pixels, dtype="uint8", trainable=False, name="frames")
        self.boxes = keras.Variable(frames.boxes, dtype="float32", trainable=False, name="boxes")
        self.steps = keras.Variable(0, dtype="int32", trainable=False, name="steps")
        self._cfg = config
        self._batch = batch
        self._size_wh = (config.width_px, config.height_px)
        self.built = True

    @property
    def learned_variables(self) -> list[Any]:
        """All that a training changes, in a fixed order, without its data."""
        return [*self.network.variables, *self.averaged.variables, self.steps, *self.optimizer.variables]

    def start(self, freeze: Freeze) -> None:
        """Make ready to learn from the weights that `network` has now."""
        _bias_objectness(self.network, self._cfg)
        if freeze == "backbone":
            for index in find_backbone(self._cfg):
                for layer in self.network.layers:
                    if layer.name.endswith(f"_{index}"):
                        layer.trainable = False
        self.averaged.set_weights(self.network.get_weights())

    def augment(self, draws: Mapping[str, Any]) -> tuple[Any, Any]:
        """Images and boxes of a batch; see augment_batch."""
        # TensorFlow reads a variable without copying it; XLA cannot gather from one that is not read.
        frames, boxes = ops.convert_to_tensor(self.frames), ops.convert_to_tensor(self.boxes)
        augmented: tuple[Any, Any] = run_fused(lambda: augment_batch(frames, boxes, draws, self._size_wh))
        return augmented

    def call(self, draws: Mapping[str, Any], training: bool = False) -> tuple[list[Any], Any]:
        """Raw heads and true boxes of a batch."""
        # TensorFlow's pipelines lose the size of a batch, and XLA wants to know it.
        fixed = {name: ops.reshape(v, (self._batch, *v.shape[1:])) for name, v in draws.items()}
        images, boxes = self.augment(fixed)
        heads = self.network(images, training=training)
        if training:
            self._update_average()
        return list_heads(heads), boxes

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The YOLO loss of what `call` returns."""
        heads, boxes = y_pred
        return run_fused(lambda: yolo_loss(heads, self._cfg.heads, boxes))

    def _update_average(self) -> None:
        """Average the weights as this step met them; the first steps weigh more, so that it starts quickly.

        Keras's optimizers average too, but at one rate, and without the batch-norm statistics.
        """
        step = ops.cast(self.steps.value, "float32")
        decay = ops.minimum(AVERAGE_DECAY, (1 + step) / (10 + step))
        for average, current in zip(self.averaged.variables, self.network.variables, strict=True):
            average.assign_add((1 - decay) * (ops.stop_gradient(current.value) - average.value))
        self.steps.assign_add(1)


def run_fused(function: Callable[[], Any]) -> Any:
    """Call the function, compiled as a whole where Keras would not do it.

    On a CPU, Keras leaves XLA out on TensorFlow: it is no gain for convolutions. Augmentation and loss are
    long chains of small operations, which take a tenth and a half of the time with it.
    """
    if keras.backend.backend() != "tensorflow":
        return function()
    import tensorflow as tf

    return tf.function(function, jit_compile=True)()


def find_backbone(config: DarknetConfig) -> set[int]:
    """Indices of the layers that every head is built on, its last convolution left out."""
    shared: set[int] | None = None
    for head, section in enumerate(config.sections):
        if section.type != "yolo":
            continue
        found: set[int] = set()
        waiting = _read_sources(config, head - 1)
        while waiting:
            index = waiting.pop()
            if index not in found:
                found.add(index)
                waiting += _read_sources(config, index)
        shared = found if shared is None else shared & found
    return shared or set()


def _read_sources(config: DarknetConfig, index: int) -> list[int]:
    section = config.sections[index]
    routed = read_sources(section, index) if section.type in ("route", "shortcut") else []
    return routed if section.type == "route" else [*routed, index - 1] if index else routed


def _bias_objectness(network: Any, config: DarknetConfig) -> None:
    """Start from 'nothing is there' (a prior of 1 %), as focal-loss detectors do (Lin et al., 2017)."""
    yolos = [index for index, section in enumerate(config.sections) if section.type == "yolo"]
    for index, head in zip(yolos, config.heads, strict=True):
        convolution = network.get_layer(f"conv_{index - 1}")
        kernel, bias = convolution.get_weights()
        if np.any(bias):
            continue  # trained before
        per_anchor = bias.reshape(len(head.anchors_wh_px), -1)
        per_anchor[:, 4] = -np.log(99.0)
        convolution.set_weights([kernel * 0.1, per_anchor.reshape(-1)])
