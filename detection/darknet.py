"""Darknet cfgs: the text that defines a model, what the other modules need of it, and its rewriting."""

import re
from dataclasses import dataclass
from pathlib import Path

from capture.errors import UserError
from detection.layers import LayerShape, kernel_shapes, trace_layers
from detection.sections import Section, split_sections


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
    """A parsed cfg; `sections` leaves out [net], `heads` stands in the cfg's order.

    kernels: (out, in / groups, height, width) of each convolution, by the index of its section.
    """

    text: str
    width_px: int
    height_px: int
    sections: tuple[Section, ...]
    heads: tuple[YoloHead, ...]
    kernels: dict[int, tuple[int, int, int, int]]

    @property
    def head_convolutions(self) -> tuple[int, ...]:
        """Indices of the convolutions that feed a yolo layer: those whose filters hang on the classes."""
        return tuple(
            max(kernel for kernel in self.kernels if kernel < index)
            for index, section in enumerate(self.sections)
            if section.type == "yolo"
        )


def read_cfg(path: Path) -> DarknetConfig:
    """Parse a file; UserError if it is missing or malformed."""
    try:
        return parse_cfg(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"expected a Darknet cfg at {path}, got: {error}") from error


def parse_cfg(text: str, name: str = "cfg") -> DarknetConfig:
    """Parse a cfg's text; UserError names the line."""
    sections = list(split_sections(text, name))
    if not sections or sections[0].type not in ("net", "network"):
        raise UserError(
            f"expected {name} to begin with [net], got {sections[0].type if sections else 'nothing'}"
        )
    net, layers = sections[0], tuple(sections[1:])
    for section in layers:
        if section.type in ("net", "network"):
            raise section.error(f"expected one [net], got a second; the first is on line {net.line}")
    width, height = net.integer("width", 416), net.integer("height", 416)
    if width <= 0 or height <= 0 or width % 32 or height % 32:
        raise net.error(f"expected width and height in multiples of 32, got {width}×{height}", "width")
    if net.integer("channels", 3) != 3:
        raise net.error(f"expected channels=3, got {net.integer('channels')}", "channels")
    shapes = trace_layers(layers, (width, height))
    heads = [
        _read_head(layer, shape) for layer, shape in zip(layers, shapes, strict=True) if layer.type == "yolo"
    ]
    if not heads:
        raise UserError(f"expected at least one [yolo] section in {name}, found none")
    _check_equal_classes(layers)
    return DarknetConfig(text, width, height, layers, tuple(heads), kernel_shapes(layers, shapes))


def set_classes(text: str, classes: int) -> str:
    """The same cfg for another number of classes: classes= of each [yolo], filters= of the layer before it.

    Comments, order and everything else stay. UserError for a malformed cfg and for fewer than one class.
    """
    if classes < 1:
        raise UserError(f"expected one class or more, got {classes}")
    config = parse_cfg(text)
    lines = text.splitlines(keepends=True)
    yolos = [section for section in config.sections if section.type == "yolo"]
    for head, yolo, index in zip(config.heads, yolos, config.head_convolutions, strict=True):
        filters = len(head.anchors_wh_px) * (5 + classes)
        for section, key, value in (
            (config.sections[index], "filters", filters),
            (yolo, "classes", classes),
        ):
            if key in section.lines:
                line = section.lines[key] - 1
                lines[line] = re.sub(r"(=\s*)[^\s#;]+", rf"\g<1>{value}", lines[line], count=1)
            else:  # Darknet's default stood there; the [header] takes the line in
                lines[section.line - 1] = lines[section.line - 1].rstrip("\r\n") + f"\n{key}={value}\n"
    return "".join(lines)


def _read_head(layer: Section, shape: LayerShape) -> YoloHead:
    values = layer.numbers("anchors")
    anchors = list(zip(values[::2], values[1::2], strict=False))
    mask = layer.integers("mask") or list(range(len(anchors)))
    if len(values) % 2 or not mask or any(not 0 <= index < len(anchors) for index in mask):
        raise layer.error(f"mask {mask} does not fit {len(anchors)} anchors", "mask")
    return YoloHead(
        tuple(anchors[index] for index in mask),
        layer.integer("classes", 20),
        layer.number("scale_x_y", 1.0),
        shape.stride_px,
        bool(layer.integer("new_coords")),
    )


def _check_equal_classes(layers: tuple[Section, ...]) -> None:
    """One detector has one list of class names."""
    yolos = [layer for layer in layers if layer.type == "yolo"]
    first = yolos[0].integer("classes", 20)
    for layer in yolos[1:]:
        if layer.integer("classes", 20) != first:
            raise layer.error(
                f"expected classes={first} as in the first [yolo], got {layer.integer('classes', 20)}",
                "classes",
            )
