"""From a Darknet cfg to a Keras model, on whichever backend Keras runs."""

from typing import Any

import keras

from capture.errors import UserError
from detection.darknet import DarknetConfig, Section, route_sources

BN_EPSILON = 1e-5  # darknet normalizes with sqrt(variance + 0.00001)
BN_MOMENTUM = 0.97
ACTIVATIONS = ("linear", "leaky", "mish", "relu")


def build_network(config: DarknetConfig, size_wh: tuple[int, int] | None = None) -> Any:
    """A functional model of the cfg.

    Input: float32 (B, H, W, 3), RGB in 0..1. Output: a list of the raw, linear heads (B, h, w, A·(5+C)), in
    the cfg's order, with x, y, w, h, objectness and classes for each anchor. UserError for what the cfg asks
    for and the builder does not know.
    """
    width, height = size_wh or (config.width_px, config.height_px)
    inputs = keras.Input((height, width, 3), name="images")
    outputs: list[Any] = []
    heads: list[Any] = []
    x = inputs
    for index, section in enumerate(config.sections):
        if section.type == "convolutional":
            x = _convolve(x, section, index)
        elif section.type == "maxpool":
            x = _pool(x, section, index)
        elif section.type == "upsample":
            factor = section.integer("stride", 2)
            x = keras.layers.UpSampling2D(factor, interpolation="nearest", name=f"up_{index}")(x)
        elif section.type == "route":
            x = _route([outputs[source] for source in route_sources(section, index)], section, index)
        elif section.type == "shortcut":
            others = [outputs[source] for source in route_sources(section, index)]
            x = _activate(keras.layers.Add(name=f"add_{index}")([x, *others]), section, index)
        else:  # yolo
            _check_head(x, section)
            heads.append(x)
        outputs.append(x)
    return keras.Model(inputs, heads, name="darknet")


def _convolve(x: Any, section: Section, index: int) -> Any:
    size, stride = section.integer("size", 1), section.integer("stride", 1)
    pad = size // 2 if section.integer("pad") else section.integer("padding")
    normalize = bool(section.integer("batch_normalize"))
    if pad and not (stride == 1 and pad == size // 2):
        x = keras.layers.ZeroPadding2D(pad, name=f"pad_{index}")(x)  # darknet pads both sides alike
        padding = "valid"
    else:
        padding = "same" if pad else "valid"
    x = keras.layers.Conv2D(
        section.integer("filters", 1),
        size,
        stride,
        padding,
        groups=section.integer("groups", 1),
        use_bias=not normalize,
        kernel_initializer="he_normal",
        name=f"conv_{index}",
    )(x)
    if normalize:
        x = keras.layers.BatchNormalization(epsilon=BN_EPSILON, momentum=BN_MOMENTUM, name=f"bn_{index}")(x)
    return _activate(x, section, index)


def _activate(x: Any, section: Section, index: int) -> Any:
    kind = section.options.get("activation", "linear")
    if kind not in ACTIVATIONS:
        raise UserError(f"line {section.line}: expected activation {', '.join(ACTIVATIONS)}, got {kind}")
    if kind == "leaky":
        return keras.layers.LeakyReLU(negative_slope=0.1, name=f"act_{index}")(x)
    if kind == "linear":
        return x
    return keras.layers.Activation(kind, name=f"act_{index}")(x)


def _pool(x: Any, section: Section, index: int) -> Any:
    size, stride = section.integer("size", 2), section.integer("stride", 2)
    if stride > 1 and size > 2:  # darknet pads both sides alike there, "same" only the lower right
        raise UserError(f"line {section.line}: expected [maxpool] with size=2 or stride=1, got size={size}")
    return keras.layers.MaxPooling2D(size, stride, "same", name=f"pool_{index}")(x)


def _route(sources: list[Any], section: Section, index: int) -> Any:
    groups, group = section.integer("groups", 1), section.integer("group_id")
    if groups > 1:
        parts = []
        for source in sources:
            share = source.shape[-1] // groups
            parts.append(source[..., group * share : (group + 1) * share])
        sources = parts
    return sources[0] if len(sources) == 1 else keras.layers.Concatenate(name=f"cat_{index}")(sources)


def _check_head(x: Any, section: Section) -> None:
    anchors = len(section.numbers("mask")) or len(section.numbers("anchors")) // 2
    wanted = anchors * (5 + section.integer("classes", 20))
    if x.shape[-1] != wanted:
        raise UserError(
            f"line {section.line}: expected filters={wanted} before [yolo] ({anchors} anchors), "
            f"got {x.shape[-1]}"
        )
