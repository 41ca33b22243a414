"""From a Darknet cfg to a Keras model, on whichever backend Keras runs."""

from typing import Any

import keras

from detection.darknet import DarknetConfig
from detection.layers import (
    BN_EPSILON,
    Window,
    convolution_window,
    pooling_window,
    read_activation,
    read_sources,
    trace_layers,
)
from detection.sections import Section

BN_MOMENTUM = 0.97
KERAS_NAMES = {"mish": "mish", "relu": "relu", "logistic": "sigmoid", "swish": "silu"}


def build_network(config: DarknetConfig, size_wh: tuple[int, int] | None = None) -> Any:
    """A functional model of the cfg.

    Input: float32 (B, H, W, 3), RGB in 0..1. Output: the raw heads (B, h, w, A·(5+C)), in the cfg's order,
    with x, y, w, h, objectness and classes for each anchor, linear unless the cfg squashes them
    (new_coords); `list_heads` makes a list of them. UserError if the layers do not fit at `size_wh`.
    """
    width, height = size_wh or (config.width_px, config.height_px)
    trace_layers(config.sections, (width, height))
    inputs = keras.Input((height, width, 3), name="images")
    outputs: list[Any] = []
    heads: list[Any] = []
    x = inputs
    for index, section in enumerate(config.sections):
        if section.type == "convolutional":
            x = _convolve(x, section, index)
        elif section.type == "maxpool":
            x = _pool(x, pooling_window(section), index)
        elif section.type == "upsample":
            factor = section.integer("stride", 2)
            x = keras.layers.UpSampling2D(factor, interpolation="nearest", name=f"up_{index}")(x)
        elif section.type == "route":
            x = _route([outputs[source] for source in read_sources(section, index)], section, index)
        elif section.type == "shortcut":
            others = [outputs[source] for source in read_sources(section, index)]
            x = _activate(keras.layers.Add(name=f"add_{index}")([x, *others]), section, index)
        else:  # yolo
            heads.append(x)
        outputs.append(x)
    return keras.Model(inputs, heads, name="darknet")


def list_heads(outputs: Any) -> list[Any]:
    """A model's heads as a list: Keras returns a bare tensor where there is one."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _convolve(x: Any, section: Section, index: int) -> Any:
    window = convolution_window(section)
    normalize = bool(section.integer("batch_normalize"))
    # Keras's "same" is Darknet's padding at stride 1 and an odd size; the exported graph is simpler with it.
    is_same = window.stride == 1 and window.padding == window.size - 1
    if window.padding and not is_same:
        # Not pad_…: so Keras numbers the poolings' pads by itself, and one name may not come twice.
        x = keras.layers.ZeroPadding2D(window.before, name=f"border_{index}")(x)
    x = keras.layers.Conv2D(
        section.integer("filters", 1),
        window.size,
        window.stride,
        "same" if is_same else "valid",
        groups=section.integer("groups", 1),
        use_bias=not normalize,
        kernel_initializer="he_normal",
        name=f"conv_{index}",
    )(x)
    if normalize:
        x = keras.layers.BatchNormalization(epsilon=BN_EPSILON, momentum=BN_MOMENTUM, name=f"bn_{index}")(x)
    return _activate(x, section, index)


def _activate(x: Any, section: Section, index: int) -> Any:
    kind = read_activation(section)
    if kind == "linear":
        return x
    if kind == "leaky":
        return keras.layers.LeakyReLU(negative_slope=0.1, name=f"act_{index}")(x)
    return keras.layers.Activation(KERAS_NAMES[kind], name=f"act_{index}")(x)


def _pool(x: Any, window: Window, index: int) -> Any:
    """Pooling that ignores what is padded; Keras's "same" pads elsewhere where the stride is above 1."""
    if window.stride == 1 and window.padding == window.size - 1:
        return keras.layers.MaxPooling2D(window.size, 1, "same", name=f"pool_{index}")(x)
    sides = []
    for cells in x.shape[1:3]:
        needed = (window.count_steps(cells) - 1) * window.stride + window.size
        sides.append((window.before, max(needed - cells - window.before, 0)))
    if any(side != (0, 0) for side in sides):
        x = keras.ops.pad(x, ((0, 0), *sides, (0, 0)), constant_values=float("-inf"))
    return keras.layers.MaxPooling2D(window.size, window.stride, "valid", name=f"pool_{index}")(x)


def _route(sources: list[Any], section: Section, index: int) -> Any:
    groups, group = section.integer("groups", 1), section.integer("group_id")
    if groups > 1:
        shares = [source.shape[-1] // groups for source in sources]
        sources = [
            source[..., group * share : (group + 1) * share]
            for source, share in zip(sources, shares, strict=True)
        ]
    return sources[0] if len(sources) == 1 else keras.layers.Concatenate(name=f"cat_{index}")(sources)
