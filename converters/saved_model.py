"""A Darknet model to a SavedModel: captured pixels in, raw heads out, for TensorFlow and for TF-TRT."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError, missing_package
from capture.files import replacing_folder
from converters.darknet import DarknetModel
from converters.export import fold_norm
from converters.heads import check_heads, make_noise, run_network
from converters.onnx import describe_model
from detection.darknet import DarknetConfig
from detection.saved_model import check_target, write_metadata
from detection.weights import Convolution, fill_network


def convert_saved_model(model: DarknetModel, out: Path) -> Path:
    """Write a SavedModel folder and return its path.

    Its serving signature takes `images`, uint8 (1, H, W, 3) BGR, and gives `head_0`, ..., float32
    (1, h, w, A * (5 + C)) in the cfg's order. Batch norms are folded into the kernels, and the colour order
    and the division by 255 into the first one, so what is left is convolutions, which TF-TRT takes whole.
    UserError for a missing package, names that do not fit the classes, an `out` that holds something else,
    and a SavedModel whose heads are not those of the cfg's network.
    """
    config, metadata = model.config, describe_model(model.config, model.class_names)
    check_target(out)
    with replacing_folder(out) as made:
        save_network(build_folded_network(config, model.convolutions), config, made)
        images = make_noise(config)
        expected = run_network(build_filled_network(config, model.convolutions), images)
        check_heads("the SavedModel", run_saved(made, images), expected)
        write_metadata(made, metadata)
    return out


def import_keras() -> Any:
    """Keras 3 on TensorFlow; UserError where another Keras, or another backend of it, would be used."""
    try:
        import keras
        import tensorflow  # noqa: F401  # said before any work is done
    except ImportError as error:
        raise missing_package("converting", error.name, "convert") from error
    found = f"Keras {keras.__version__} on {keras.backend.backend()}"
    if int(keras.__version__.split(".")[0]) < 3 or keras.backend.backend() != "tensorflow":
        raise UserError(
            f"expected Keras 3 on tensorflow to write a SavedModel, got {found}; "
            "use the project's own environment, and unset KERAS_BACKEND"
        )
    return keras


def build_folded_network(config: DarknetConfig, convolutions: Mapping[int, Convolution]) -> Any:
    """The cfg's Keras model without batch norms, for pixels of 0 to 255 in BGR."""
    return build_filled_network(drop_norms(config), fold_convolutions(config, convolutions))


def build_filled_network(config: DarknetConfig, convolutions: Mapping[int, Convolution]) -> Any:
    """The cfg's Keras model with its weights."""
    import_keras()
    from detection.network import build_network

    network = build_network(config)
    fill_network(network, convolutions)
    return network


def drop_norms(config: DarknetConfig) -> DarknetConfig:
    """The cfg with convolutions that have a bias where they had a batch norm."""
    sections = tuple(
        replace(section, options={**section.options, "batch_normalize": "0"})
        if "batch_normalize" in section.options
        else section
        for section in config.sections
    )
    return replace(config, sections=sections)


def fold_convolutions(
    config: DarknetConfig, convolutions: Mapping[int, Convolution]
) -> dict[int, Convolution]:
    """Convolutions without norms; the first takes over the colour order and the division by 255."""
    folded = {index: Convolution(*fold_norm(layer), None) for index, layer in convolutions.items()}
    first = next(iter(config.kernels))
    kernel = folded[first].kernel[:, ::-1] / np.float32(255)
    return {**folded, first: replace(folded[first], kernel=kernel)}


def save_network(network: Any, config: DarknetConfig, out: Path) -> None:
    """A Keras model behind a serving signature of captured pixels, as a SavedModel."""
    import tensorflow as tf

    from detection.network import list_heads

    shape = (1, config.height_px, config.width_px, 3)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, name="images")])  # type: ignore[untyped-decorator]
    def serve(images: Any) -> dict[str, Any]:
        heads = list_heads(network(tf.cast(images, tf.float32), training=False))
        return {f"head_{index}": head for index, head in enumerate(heads)}

    holder = tf.Module()
    holder.variables_of_network = network.variables  # what is saved is what a module holds
    tf.saved_model.save(holder, str(out), signatures=serve.get_concrete_function())


def run_saved(saved: Path, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The heads of a SavedModel for captured pixels, in the cfg's order."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(saved))
    heads = loaded.signatures["serving_default"](images=tf.constant(images))
    return [heads[f"head_{index}"].numpy() for index in range(len(heads))]
