"""Darknet files: the cfg that defines a model, and the weights that fill it.

Format: https://github.com/AlexeyAB/darknet (parser.c). A cfg is a list of sections; a .weights file is a
header and float32 values, layer by layer: biases (or batch-norm beta, gamma, mean, variance), then kernels
in (out, in, height, width) order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError

KNOWN = frozenset({"net", "network", "convolutional", "maxpool", "upsample", "route", "shortcut", "yolo"})


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a cfg, with the line that it starts on."""

    type: str
    options: dict[str, str]
    line: int

    def integer(self, key: str, default: int = 0) -> int:
        """An option as an integer."""
        value = self._number(key, default)
        if not value.is_integer():  # nan and infinity are none either
            raise UserError(f"line {self.line}: expected an integer in {key}=, got {self.options[key]!r}")
        return int(value)

    def number(self, key: str, default: float = 0.0) -> float:
        """An option as a float."""
        return self._number(key, default)

    def numbers(self, key: str) -> list[float]:
        """A comma-separated option."""
        text = self.options.get(key, "")
        try:
            return [float(part) for part in text.split(",") if part.strip()]
        except ValueError as error:
            raise UserError(f"line {self.line}: expected numbers in {key}=, got {text!r}") from error

    def _number(self, key: str, default: float) -> float:
        text = self.options.get(key)
        try:
            return float(text) if text is not None else float(default)
        except ValueError as error:
            raise UserError(f"line {self.line}: expected a number in {key}=, got {text!r}") from error


@dataclass(frozen=True, slots=True)
class YoloHead:
    """One yolo layer: its own anchors in pixels of the network's input, and its stride."""

    anchors_wh_px: tuple[tuple[float, float], ...]
    classes: int
    scale_x_y: float
    stride: int
    new_coords: bool


@dataclass(frozen=True, slots=True)
class DarknetConfig:
    """A parsed cfg; `sections` leaves out [net], `heads` stands in the cfg's order."""

    text: str
    width_px: int
    height_px: int
    sections: tuple[Section, ...]
    heads: tuple[YoloHead, ...]


def read_cfg(path: Path) -> DarknetConfig:
    """Parse a file; UserError if it is missing or malformed."""
    try:
        return parse_cfg(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"expected a Darknet cfg at {path}, got: {error}") from error


def parse_cfg(text: str, name: str = "cfg") -> DarknetConfig:
    """Parse a cfg's text; UserError names the line."""
    sections = list(_split_sections(text, name))
    if not sections or sections[0].type not in ("net", "network"):
        raise UserError(
            f"expected {name} to begin with [net], got {sections[0].type if sections else 'nothing'}"
        )
    net, layers = sections[0], tuple(sections[1:])
    width, height = net.integer("width", 416), net.integer("height", 416)
    if width <= 0 or height <= 0 or width % 32 or height % 32:
        raise UserError(
            f"{name} line {net.line}: expected width and height in multiples of 32, got {width}×{height}"
        )
    strides = _layer_strides(layers, name)
    heads = tuple(
        _read_head(layer, strides[index], name) for index, layer in enumerate(layers) if layer.type == "yolo"
    )
    if not heads:
        raise UserError(f"expected at least one [yolo] section in {name}, found none")
    return DarknetConfig(text, width, height, layers, heads)


def route_sources(section: Section, index: int, name: str = "cfg") -> list[int]:
    """Absolute indices of the layers that a route or shortcut at `index` reads; UserError out of range."""
    sources = []
    for value in section.numbers("layers" if section.type == "route" else "from"):
        source = int(value) if value >= 0 else index + int(value)
        if not 0 <= source < index:
            raise UserError(
                f"{name} line {section.line}: expected a layer from 0 to {index - 1}, got {int(value)}"
            )
        sources.append(source)
    if not sources:
        raise UserError(f"{name} line {section.line}: expected layers to read in [{section.type}], got none")
    return sources


def _split_sections(text: str, name: str) -> Iterator[Section]:
    current: Section | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#")[0].split(";")[0].strip()
        if not line:
            continue
        if line.startswith("["):
            if current:
                yield current
            kind = line.strip("[]").strip()
            if kind not in KNOWN:
                raise UserError(
                    f"{name} line {number}: unknown section [{kind}]; known: {', '.join(sorted(KNOWN))}"
                )
            current = Section(kind, {}, number)
        elif current is None or "=" not in line:
            raise UserError(f"{name} line {number}: expected [section] or key=value, got {raw!r}")
        else:
            key, _, value = line.partition("=")
            current.options[key.strip()] = value.strip()
    if current:
        yield current


def _layer_strides(layers: tuple[Section, ...], name: str) -> list[int]:
    """How many input pixels one cell of each layer's output spans."""
    strides: list[int] = []
    for index, layer in enumerate(layers):
        before = strides[-1] if strides else 1
        if layer.integer("stride", 1) < 1:
            raise UserError(
                f"{name} line {layer.line}: expected stride=1 or more, got {layer.integer('stride')}"
            )
        if layer.type in ("convolutional", "maxpool"):
            strides.append(before * layer.integer("stride", 1))
        elif layer.type == "upsample":
            strides.append(before // layer.integer("stride", 2))
        elif layer.type == "route":
            strides.append(strides[route_sources(layer, index, name)[0]])
        else:
            if layer.type == "shortcut":
                route_sources(layer, index, name)
            strides.append(before)
    return strides


def _read_head(layer: Section, stride: int, name: str) -> YoloHead:
    values = layer.numbers("anchors")
    anchors = list(zip(values[::2], values[1::2], strict=False))
    mask = [int(value) for value in layer.numbers("mask")] or list(range(len(anchors)))
    if len(values) % 2 or any(not 0 <= index < len(anchors) for index in mask):
        raise UserError(f"{name} line {layer.line}: mask {mask} does not fit {len(anchors)} anchors")
    return YoloHead(
        tuple(anchors[index] for index in mask),
        layer.integer("classes", 20),
        layer.number("scale_x_y", 1.0),
        stride,
        bool(layer.integer("new_coords")),
    )


def load_weights(model: Any, config: DarknetConfig, path: Path) -> None:
    """Fill a Keras model made by `build_network` from a .weights file.

    UserError if the file is missing, or if its size does not match the cfg (both are named).
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"expected Darknet weights at {path}, got: {error}") from error
    if len(raw) < 16:
        raise UserError(f"expected Darknet weights in {path}, got a file of {len(raw)} bytes")
    major, minor = (int(v) for v in np.frombuffer(raw, "<i4", count=2))
    header = 20 if major * 10 + minor >= 2 else 16  # the count of images seen grew to 64 bits in 0.2
    values = np.frombuffer(raw, "<f4", offset=header, count=(len(raw) - header) // 4)
    wanted = sum(int(np.prod(shape)) for shape in _value_shapes(model, config))
    if wanted != len(values):
        raise UserError(
            f"expected {wanted} weights for this cfg, {path} holds {len(values)}; use the cfg they belong to"
        )
    offset = 0

    def take(shape: tuple[int, ...]) -> NDArray[np.float32]:
        nonlocal offset
        count = int(np.prod(shape))
        offset += count
        return values[offset - count : offset].reshape(shape).astype(np.float32)

    for convolution, norm in _layers_of(model, config):
        height, width, inputs, outputs = convolution.kernel.shape
        if norm is None:
            bias = take((outputs,))
            kernel = take((outputs, inputs, height, width)).transpose(2, 3, 1, 0)
            convolution.set_weights([kernel, bias])
        else:
            beta, gamma, mean, variance = (take((outputs,)) for _ in range(4))
            kernel = take((outputs, inputs, height, width)).transpose(2, 3, 1, 0)
            convolution.set_weights([kernel])
            norm.set_weights([gamma, beta, mean, variance])


def save_weights(model: Any, config: DarknetConfig, path: Path) -> None:
    """Write a Keras model made by `build_network` as a .weights file, header version 0.2."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.array([0, 2, 0, 0, 0], "<i4").tofile(stream)
        for convolution, norm in _layers_of(model, config):
            weights = convolution.get_weights()
            if norm is None:
                values = [weights[1]]
            else:
                gamma, beta, mean, variance = norm.get_weights()
                values = [beta, gamma, mean, variance]
            values.append(np.transpose(weights[0], (3, 2, 0, 1)))
            for value in values:
                np.ascontiguousarray(value, "<f4").tofile(stream)


def _layers_of(model: Any, config: DarknetConfig) -> Iterator[tuple[Any, Any]]:
    """(convolution, batch norm or None) in the cfg's order; `build_network` names them by index."""
    for index, section in enumerate(config.sections):
        if section.type == "convolutional":
            norm = model.get_layer(f"bn_{index}") if section.integer("batch_normalize") else None
            yield model.get_layer(f"conv_{index}"), norm


def _value_shapes(model: Any, config: DarknetConfig) -> Iterator[tuple[int, ...]]:
    for convolution, norm in _layers_of(model, config):
        outputs = convolution.kernel.shape[-1]
        yield (4 * outputs if norm is not None else outputs,)
        yield tuple(convolution.kernel.shape)
