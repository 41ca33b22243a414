"""Darknet .weights files: a header, then float32 values, convolution by convolution.

Format: https://github.com/AlexeyAB/darknet (parser.c, load_convolutional_weights): biases (or batch-norm
beta, gamma, mean, variance), then the kernel in (out, in / groups, height, width) order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from capture.files import replacing
from detection.darknet import DarknetConfig, parse_cfg, set_classes

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Convolution:
    """The values of one convolution; `norm` is gamma, mean and variance (3, out), and `bias` then beta."""

    kernel: Values
    bias: Values
    norm: Values | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Names of the convolutions that a file filled, and of those that stay as they were initialised."""

    filled: tuple[str, ...]
    kept: tuple[str, ...]


def load_weights(model: Any, config: DarknetConfig, path: Path) -> None:
    """Fill a Keras model made by `build_network` from a .weights file; UserError as of `read_weights`."""
    fill_network(model, read_weights(config, path))


def read_weights(config: DarknetConfig, path: Path) -> dict[int, Convolution]:
    """The convolutions of a .weights file, by the index of their section; it needs no Keras.

    UserError if the file is missing, or if its size does not match the cfg (both are named).
    """
    values, wanted = read_values(path), count_values(config)
    if wanted != len(values):
        raise UserError(
            f"expected {wanted} weights for this cfg, {path} holds {len(values)}; use the cfg they belong to"
        )
    return split_values(values, config)


def load_fitting_weights(model: Any, config: DarknetConfig, path: Path) -> Loaded:
    """Fill what fits from a .weights file of the same cfg with other classes, or of its first layers alone.

    With other classes, the convolutions that feed a yolo layer stay as they are. A file that ends early, as
    yolov4.conv.137 does, must end after a whole layer. UserError, naming both sizes, for any other file.
    """
    values = read_values(path)
    source = _find_source(config, len(values))
    if source is None:
        raise UserError(
            f"expected {count_values(config)} weights for this cfg, those of another number of classes, or "
            f"those of its first layers; {path} holds {len(values)}"
        )
    fitting = {
        index: layer
        for index, layer in split_values(values, source).items()
        if layer.kernel.shape == config.kernels[index]
    }
    fill_network(model, fitting)
    return Loaded(
        tuple(f"conv_{index}" for index in fitting),
        tuple(f"conv_{index}" for index in config.kernels if index not in fitting),
    )


def fill_network(model: Any, layers: Mapping[int, Convolution]) -> None:
    """Give a Keras model made by `build_network` convolutions, by the index of their section."""
    for index, layer in layers.items():
        kernel = layer.kernel.transpose(2, 3, 1, 0)
        if layer.norm is None:
            model.get_layer(f"conv_{index}").set_weights([kernel, layer.bias])
        else:
            gamma, mean, variance = layer.norm
            model.get_layer(f"conv_{index}").set_weights([kernel])
            model.get_layer(f"bn_{index}").set_weights([gamma, layer.bias, mean, variance])


def save_weights(model: Any, config: DarknetConfig, path: Path) -> None:
    """Write a Keras model made by `build_network` as a .weights file."""
    write_weights(path, read_convolutions(model, config).values())


def read_convolutions(model: Any, config: DarknetConfig) -> dict[int, Convolution]:
    """The convolutions of a Keras model made by `build_network`, by the index of their section."""
    return {index: _read_layer(model, index) for index in config.kernels}


def write_weights(
    path: Path, convolutions: Iterable[Convolution], seen: int = 0, seen_bits: Literal[32, 64] = 64
) -> None:
    """Write convolutions in the cfg's order; the folder is made if need be.

    seen: images that the training has seen; its width decides the header's version, 0.1 or 0.2.
    """
    with replacing(path) as stream:
        stream.write(np.array([0, 1 if seen_bits == 32 else 2, 0], "<i4").tobytes())
        stream.write(np.array(seen, f"<u{seen_bits // 8}").tobytes())
        for layer in convolutions:
            norm = [] if layer.norm is None else [*layer.norm]
            for values in (layer.bias, *norm, layer.kernel):
                stream.write(np.ascontiguousarray(values, "<f4").tobytes())


def read_values(path: Path) -> Values:
    """All values of a .weights file, after its header; UserError if it is missing, cut off, or not one."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"expected Darknet weights at {path}, got: {error}") from error
    if len(raw) < 16:
        raise UserError(f"expected Darknet weights in {path}, got a file of {len(raw)} bytes")
    major, minor = (int(version) for version in np.frombuffer(raw, "<i4", count=2))
    is_wide = major * 10 + minor >= 2 and major < 1000 and minor < 1000
    header = 20 if is_wide else 16  # the count of images seen grew to 64 bits in 0.2
    size = len(raw) - header
    if size < 0 or size % 4:
        raise UserError(f"expected float32 values in {path}, got {size} bytes of them; it is damaged")
    return np.frombuffer(raw, "<f4", offset=header, count=size // 4)


def split_values(values: Values, config: DarknetConfig) -> dict[int, Convolution]:
    """The convolutions that `values` fill, by the index of their section, until they end."""
    layers: dict[int, Convolution] = {}
    offset = 0
    for index, shape in config.kernels.items():
        is_normalized = _is_normalized(config, index)
        head = (4 if is_normalized else 1) * shape[0]
        stop = offset + head + int(np.prod(shape))
        if stop > len(values):
            break
        vectors = values[offset : offset + head].reshape(-1, shape[0])
        kernel = values[offset + head : stop].reshape(shape)
        layers[index] = Convolution(kernel, vectors[0], vectors[1:] if is_normalized else None)
        offset = stop
    return layers


def count_values(config: DarknetConfig) -> int:
    """How many float32 values a .weights file of a cfg holds."""
    return list(_ends(config))[-1]


def _ends(config: DarknetConfig) -> Iterator[int]:
    """Where the values of each convolution end."""
    end = 0
    for index, shape in config.kernels.items():
        end += int(np.prod(shape)) + (4 if _is_normalized(config, index) else 1) * shape[0]
        yield end


def _is_normalized(config: DarknetConfig, index: int) -> bool:
    return bool(config.sections[index].integer("batch_normalize"))


def _find_source(config: DarknetConfig, count: int) -> DarknetConfig | None:
    """The cfg whose file holds `count` values: this one, it with other classes, or its beginning."""
    if count in _ends(config):
        return config
    one, two = (count_values(parse_cfg(set_classes(config.text, classes))) for classes in (1, 2))
    classes, rest = divmod(count - one, two - one)  # the size is linear in the classes
    return parse_cfg(set_classes(config.text, classes + 1)) if classes >= 0 and rest == 0 else None


def _read_layer(model: Any, index: int) -> Convolution:
    kernel, *bias = model.get_layer(f"conv_{index}").get_weights()
    kernel = kernel.transpose(3, 2, 0, 1)
    if bias:
        return Convolution(kernel, bias[0], None)
    gamma, beta, mean, variance = model.get_layer(f"bn_{index}").get_weights()
    return Convolution(kernel, beta, np.stack([gamma, mean, variance]))
