"""The arithmetic of shapes, and the mistakes in a cfg that it finds, each with its line."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.errors import UserError
from detection.darknet import parse_cfg
from detection.layers import LayerShape, Window, kernel_shapes, read_sources, trace_layers
from detection.sections import Section

EVERY_LAYER = (Path(__file__).parent / "every_layer.cfg").read_text()


def find_line(text: str, option: str) -> int:
    return text.splitlines().index(option) + 1


def make_section(kind: str, **options: object) -> Section:
    return Section(kind, "game.cfg", 7, {key: str(value) for key, value in options.items()})


def test_every_layer_has_the_shape_that_its_options_say() -> None:
    config = parse_cfg(EVERY_LAYER)
    shapes = trace_layers(config.sections, (96, 64))
    assert shapes[0] == LayerShape(32, 48, 8, 2)
    assert shapes[1] == LayerShape(16, 24, 8, 4)  # maxpool 3/2
    assert shapes[3] == LayerShape(16, 24, 4, 4)  # the second half of the channels
    assert shapes[5] == LayerShape(16, 24, 8, 4)  # joined
    assert shapes[9] == shapes[8]  # shortcut
    assert shapes[13] == shapes[14] == LayerShape(4, 6, 16, 16)  # poolings of stride 1
    assert shapes[18] == LayerShape(8, 12, 16, 8)  # upsampled
    assert kernel_shapes(config.sections, shapes)[7] == (8, 4, 3, 3)  # two groups
    assert kernel_shapes(config.sections, shapes)[8] == (8, 1, 3, 3)  # depthwise


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4))
def test_darknets_pooling_covers_every_cell_once_a_stride(cells: int, size: int, stride: int) -> None:
    window = Window(size, stride, (size - 1) // 2, size - 1)
    assert window.count_steps(cells) == -(-cells // stride)


def test_sources_count_from_the_layer_back_or_from_the_first() -> None:
    assert read_sources(make_section("route", layers="-1, 4"), 9) == [8, 4]
    assert read_sources(make_section("shortcut", **{"from": "-3"}), 9) == [6]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("activation=swish", "activation=tanhh", "expected activation leaky, linear, .*, got tanhh"),
        ("layers=-1,11", "layers=-1,99", "expected a layer from 0 to 18, got 99"),
        ("layers=-1,11", "layers=-1,19", "expected a layer from 0 to 18, got 19"),
        ("layers=-1,11", "layers=-1,12", "expected layers of equal grids, got 12×8 and 6×4"),
        ("from=-2", "from=-10", "expected a layer from 0 to 8, got -10"),
        ("from=-2", "from=4", "expected layers of equal shape, got 24×16×8 and 24×16×4"),
        ("from=-2", "from=-2.5", "expected integers in from=, got '-2.5'"),
        ("groups=8", "groups=3", "expected groups= to divide 8 channels and 8 filters, got 3"),
        ("group_id=1", "group_id=2", "expected groups= to divide 8 channels .* got groups=2, group_id=2"),
        ("filters=12", "filters=0", "expected filters=1 or more, got 0"),
        ("groups=8", "dilation=2", "dilation=2 is an option that is not known here"),
        ("num=3", "classes=2", None),  # the first of two counts, as in Darknet
    ],
)
def test_a_layer_that_does_not_fit_is_named_with_the_options_line(
    old: str, new: str, message: str | None
) -> None:
    text = EVERY_LAYER.replace(old, new, 1)
    if message is None:
        assert parse_cfg(text).heads[0].classes == 2
        return
    # group_id's mistake is told where groups= stands, one line above.
    line = find_line(text, new) - (old == "group_id=1")
    with pytest.raises(UserError, match=rf"^game\.cfg line {line}: {message}"):
        parse_cfg(text, "game.cfg")


@pytest.mark.parametrize(("old", "new", "got"), [("filters=7", "filters=8", 8), ("mask=2", "mask=1,2", 7)])
def test_filters_that_do_not_fit_the_classes_are_named_with_the_yolos_line(
    old: str, new: str, got: int
) -> None:
    text = EVERY_LAYER.replace(old, new, 1)
    anchors = new.count(",") + 1 if "mask" in new else 1
    line = find_line(text, "[yolo]")
    message = (
        f"line {line}: expected filters={7 * anchors} before [yolo] ({anchors} anchors × (5 + 2 classes))"
    )
    with pytest.raises(UserError, match=f"{re.escape(message)}, got {got}"):
        parse_cfg(text)


def test_squashed_coordinates_need_a_logistic_convolution() -> None:
    text = EVERY_LAYER.replace("scale_x_y=1.05", "new_coords=1")
    with pytest.raises(UserError, match=r"expected activation=logistic before a \[yolo\] with new_coords=1"):
        parse_cfg(text)


def test_a_window_larger_than_its_grid_is_the_users_error() -> None:
    with pytest.raises(UserError, match=r"line 7: .* fit 2×1 cells, got size 3 with padding 0"):
        trace_layers([make_section("convolutional", size=3, activation="leaky")], (2, 1))
