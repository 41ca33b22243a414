"""What each section of a Darknet cfg makes of what it reads: sizes, channels, strides. Pure arithmetic.

Formulas and defaults are those of https://github.com/AlexeyAB/darknet (parser.c, convolutional_layer.c,
maxpool_layer.c). All mistakes of a cfg that concern shapes are found here, with their line.
"""

from collections.abc import Sequence
from typing import NamedTuple

from detection.sections import Section

BN_EPSILON = 1e-5  # darknet normalizes with sqrt(variance + 0.00001)
ACTIVATIONS = frozenset({"linear", "leaky", "mish", "relu", "logistic", "swish"})
DEFAULT_ACTIVATION = {"convolutional": "logistic", "shortcut": "linear"}
HARMLESS = {
    "antialiasing": ("0",),
    "binary": ("0",),
    "dilation": ("0", "1"),
    "maxpool_depth": ("0",),
    "scale": ("1", "1.0"),
    "stride_x": (),
    "stride_y": (),
    "weights_type": ("none",),
    "xnor": ("0",),
}
"""Options that the builder does not know and that would change the numbers, with the values that do not."""


class LayerShape(NamedTuple):
    """A layer's output; one cell of it spans `stride_px` pixels of the network's input."""

    height: int
    width: int
    channels: int
    stride_px: int


class Window(NamedTuple):
    """How a convolution or a pooling steps over its input; `before` and `padding` are in cells."""

    size: int
    stride: int
    before: int
    padding: int
    """What is added to each axis in all, `before` of it at the upper and left side."""

    def count_steps(self, cells: int) -> int:
        """Output cells of an axis of `cells`."""
        return (cells + self.padding - self.size) // self.stride + 1


def trace_layers(sections: Sequence[Section], size_wh: tuple[int, int]) -> list[LayerShape]:
    """The output of every layer of a cfg for an input of `size_wh` pixels and 3 channels.

    UserError, with its line, for a source out of range, for sources that do not fit each other, for an
    option or an activation that the builder does not know, and for filters that do not fit a [yolo].
    """
    shapes: list[LayerShape] = []
    for index, section in enumerate(sections):
        _check_options(section)
        before = shapes[-1] if shapes else LayerShape(size_wh[1], size_wh[0], 3, 1)
        if section.type == "convolutional":
            shape = _trace_convolution(section, before)
        elif section.type == "maxpool":
            shape = _slide(section, before, pooling_window(section))
        elif section.type == "upsample":
            shape = _trace_upsample(section, before)
        elif section.type == "route":
            shape = _trace_route(section, [shapes[source] for source in read_sources(section, index)])
        elif section.type == "shortcut":
            shape = _trace_shortcut(section, before, [shapes[i] for i in read_sources(section, index)])
        else:
            _check_yolo(section, before, sections[index - 1] if index else None)
            shape = before
        shapes.append(shape)
    return shapes


def read_sources(section: Section, index: int) -> list[int]:
    """Absolute indices of the layers that a route or shortcut at `index` reads; UserError out of range."""
    key = "layers" if section.type == "route" else "from"
    sources = [value if value >= 0 else index + value for value in section.integers(key)]
    for source, value in zip(sources, section.integers(key), strict=True):
        if not 0 <= source < index:
            raise section.error(f"expected a layer from 0 to {index - 1}, got {value}", key)
    if not sources:
        raise section.error(f"expected {key}= in [{section.type}], got none", key)
    return sources


def convolution_window(section: Section) -> Window:
    """Darknet pads both sides of a convolution alike."""
    size = section.positive("size", 1)
    pad = size // 2 if section.integer("pad") else section.integer("padding")
    return Window(size, section.positive("stride", 1), pad, 2 * pad)


def pooling_window(section: Section) -> Window:
    """Darknet pads a pooling by size − 1 in all, half of it, rounded down, at the upper and left side."""
    stride = section.positive("stride", 1)
    size = section.positive("size", stride)
    padding = section.integer("padding", size - 1)
    return Window(size, stride, padding // 2, padding)


def kernel_shapes(
    sections: Sequence[Section], shapes: Sequence[LayerShape]
) -> dict[int, tuple[int, int, int, int]]:
    """(out, in / groups, height, width) of each convolution's kernel, by the index of its layer."""
    return {
        index: (
            shapes[index].channels,
            (shapes[index - 1].channels if index else 3) // section.integer("groups", 1),
            section.integer("size", 1),
            section.integer("size", 1),
        )
        for index, section in enumerate(sections)
        if section.type == "convolutional"
    }


def read_activation(section: Section) -> str:
    """The activation of a convolution or shortcut, or Darknet's default for it."""
    return section.options.get("activation", DEFAULT_ACTIVATION[section.type])


def _check_options(section: Section) -> None:
    for key, values in HARMLESS.items():
        if key in section.options and section.options[key] not in values:
            raise section.error(f"{key}={section.options[key]} is an option that is not known here", key)
    if section.type in DEFAULT_ACTIVATION and read_activation(section) not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        raise section.error(f"expected activation {known}, got {read_activation(section)}", "activation")


def _trace_convolution(section: Section, before: LayerShape) -> LayerShape:
    filters, groups = section.positive("filters", 1), section.positive("groups", 1)
    if before.channels % groups or filters % groups:
        raise section.error(
            f"expected groups= to divide {before.channels} channels and {filters} filters, got {groups}",
            "groups",
        )
    return _slide(section, before, convolution_window(section))._replace(channels=filters)


def _slide(section: Section, before: LayerShape, window: Window) -> LayerShape:
    height, width = window.count_steps(before.height), window.count_steps(before.width)
    if height < 1 or width < 1 or window.padding < 0:
        raise section.error(
            f"expected a size= and padding that fit {before.width}×{before.height} cells, "
            f"got size {window.size} with padding {window.padding}"
        )
    return LayerShape(height, width, before.channels, before.stride_px * window.stride)


def _trace_upsample(section: Section, before: LayerShape) -> LayerShape:
    factor = section.positive("stride", 2)
    if before.stride_px % factor:
        raise section.error(f"expected stride= to divide {before.stride_px}, got {factor}", "stride")
    return LayerShape(
        before.height * factor, before.width * factor, before.channels, before.stride_px // factor
    )


def _trace_route(section: Section, sources: Sequence[LayerShape]) -> LayerShape:
    first = sources[0]
    for other in sources[1:]:
        if other[:2] != first[:2]:
            raise section.error(
                f"expected layers of equal grids, got {first.width}×{first.height} and "
                f"{other.width}×{other.height}",
                "layers",
            )
    groups, group = section.positive("groups", 1), section.integer("group_id")
    if not 0 <= group < groups or any(source.channels % groups for source in sources):
        raise section.error(
            f"expected groups= to divide {'+'.join(str(source.channels) for source in sources)} channels "
            f"and group_id= below it, got groups={groups}, group_id={group}",
            "groups",
        )
    return first._replace(channels=sum(source.channels // groups for source in sources))


def _trace_shortcut(section: Section, before: LayerShape, sources: Sequence[LayerShape]) -> LayerShape:
    for other in sources:
        if other[:3] != before[:3]:
            raise section.error(
                f"expected layers of equal shape, got {before.width}×{before.height}×{before.channels} and "
                f"{other.width}×{other.height}×{other.channels}",
                "from",
            )
    return before


def _check_yolo(section: Section, before: LayerShape, feeder: Section | None) -> None:
    anchors = len(section.numbers("mask")) or len(section.numbers("anchors")) // 2
    classes = section.positive("classes", 20)
    wanted = anchors * (5 + classes)
    if before.channels != wanted:
        raise section.error(
            f"expected filters={wanted} before [yolo] ({anchors} anchors × (5 + {classes} classes)), "
            f"got {before.channels}"
        )
    squashed = feeder and feeder.type == "convolutional" and read_activation(feeder) == "logistic"
    if section.integer("new_coords") and not squashed:
        raise section.error("expected activation=logistic before a [yolo] with new_coords=1", "new_coords")
