"""The cfg parser: heads, classes, and mistakes with their line; nothing heavy is imported."""

from pathlib import Path

import pytest

from capture.errors import UserError
from detection.darknet import DarknetConfig, parse_cfg, read_cfg, set_classes

CONFIGS = Path(__file__).parents[1] / "configs"
EVERY_LAYER = (Path(__file__).parent / "every_layer.cfg").read_text()
CFG = """# a comment
[net]
width=64
height=32

[convolutional]
batch_normalize=1
filters=4
size=3
stride=32
pad=1
activation=leaky

[convolutional]
filters = 6   ; one anchor, one class
size=1
activation=linear

[yolo]
mask=1
anchors=8,8, 16,24
classes=1
scale_x_y=1.05
"""


@pytest.fixture
def config() -> DarknetConfig:
    return parse_cfg(CFG)


def test_a_cfg_becomes_sections_and_heads_without_its_comments(config: DarknetConfig) -> None:
    assert (config.width_px, config.height_px, config.text) == (64, 32, CFG)
    assert [section.type for section in config.sections] == ["convolutional", "convolutional", "yolo"]
    assert config.sections[1].options == {"filters": "6", "size": "1", "activation": "linear"}
    assert (config.sections[1].line, config.sections[1].lines["size"]) == (14, 16)
    (head,) = config.heads
    assert head.anchors_wh_px == ((16.0, 24.0),)
    assert (head.classes, head.scale_x_y, head.stride, head.new_coords) == (1, 1.05, 32, False)
    assert config.kernels == {0: (4, 3, 3, 3), 1: (6, 4, 1, 1)}
    assert config.head_convolutions == (1,)


@pytest.mark.parametrize(
    ("name", "strides", "scales"),
    [
        ("yolov3", [32, 16, 8], [1, 1, 1]),
        ("yolov3-tiny", [32, 16], [1, 1]),
        ("yolov4", [8, 16, 32], [1.2, 1.1, 1.05]),
        ("yolov4-tiny", [32, 16], [1.05, 1.05]),
        ("yolov4-tiny-3l", [32, 16, 8], [1.05, 1.05, 1.05]),
    ],
)
def test_the_stock_cfgs_have_the_heads_of_their_papers(
    name: str, strides: list[int], scales: list[float]
) -> None:
    config = read_cfg(CONFIGS / f"{name}.cfg")
    assert [head.stride for head in config.heads] == strides
    assert [head.scale_x_y for head in config.heads] == scales
    assert {len(head.anchors_wh_px) for head in config.heads} == {3}
    names = (CONFIGS / "coco.names").read_text().split("\n")[:-1]
    assert {head.classes for head in config.heads} == {len(set(names))} == {80}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[yolo]", "[dropout]", r"game\.cfg line 19: unknown section \[dropout\]"),
        ("size=1", "size 1", r"game\.cfg line 16: expected \[section\] or key=value, got 'size 1'"),
        ("mask=1", "mask=2", r"game\.cfg line 20: mask \[2\] does not fit 2 anchors"),
        ("stride=32", "stride=two", r"game\.cfg line 10: expected a number in stride=, got 'two'"),
        ("anchors=8,8", "anchors=8,x", r"game\.cfg line 21: expected numbers in anchors="),
        ("width=64", "width=60", r"game\.cfg line 3: .*multiples of 32, got 60×32"),
        ("height=32", "height=32\nchannels=1", r"game\.cfg line 5: expected channels=3, got 1"),
        ("[yolo]", "[route]\nlayers=-5\n[yolo]", r"game\.cfg line 20: expected a layer from 0 to 1, got -5"),
        ("[net]", "[convolutional]", r"expected game\.cfg to begin with \[net\]"),
        ("[yolo]", "[net]\n[yolo]", r"game\.cfg line 19: expected one \[net\], got a second; .* line 2"),
        ("[yolo]", "[upsample]", r"expected at least one \[yolo\] section in game\.cfg"),
    ],
)
def test_a_mistake_in_a_cfg_is_named_with_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_cfg(CFG.replace(old, new, 1), "game.cfg")


@pytest.mark.parametrize("stride", ["0", "-1", "nan"])
@pytest.mark.parametrize("kind", ["convolutional", "upsample", "maxpool"])
def test_a_stride_that_is_no_positive_number_is_named_with_its_line(kind: str, stride: str) -> None:
    text = CFG.replace("[yolo]", f"[{kind}]\nactivation=linear\nstride={stride}\n[yolo]")
    with pytest.raises(UserError, match=r"game\.cfg line 21"):
        parse_cfg(text, "game.cfg")


def test_heads_of_different_classes_are_refused() -> None:
    text = EVERY_LAYER.replace("filters=14", "filters=16")
    before, last = text.rsplit("classes=2", 1)
    with pytest.raises(UserError, match=r"expected classes=2 as in the first \[yolo\], got 3"):
        parse_cfg(before + "classes=3" + last)


def test_a_missing_cfg_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a Darknet cfg at .*none\.cfg"):
        read_cfg(tmp_path / "none.cfg")


def test_a_cfg_saved_by_windows_notepad_is_read(tmp_path: Path) -> None:
    (tmp_path / "bom.cfg").write_bytes(b"\xef\xbb\xbf" + CFG.replace("\n", "\r\n").encode())
    assert read_cfg(tmp_path / "bom.cfg").heads == parse_cfg(CFG).heads


def test_other_classes_change_two_lines_a_head_and_keep_the_comments() -> None:
    changed = set_classes(CFG, 3)
    assert changed == CFG.replace("filters = 6   ;", "filters = 8   ;").replace("classes=1", "classes=3")
    assert set_classes(changed, 1) == CFG


@pytest.mark.parametrize("name", ["yolov3", "yolov4", "yolov4-tiny", "yolov4-tiny-3l"])
def test_a_stock_cfg_for_other_classes_is_a_cfg(name: str) -> None:
    text = (CONFIGS / f"{name}.cfg").read_text(encoding="utf-8")
    config = parse_cfg(set_classes(text, 2))
    assert {head.classes for head in config.heads} == {2}
    assert {config.kernels[index][0] for index in config.head_convolutions} == {21}
    changed = [a for a, b in zip(text.splitlines(), config.text.splitlines(), strict=True) if a != b]
    assert len(changed) == 2 * len(config.heads)


def test_classes_that_stood_on_darknets_default_are_written_out() -> None:
    text = CFG.replace("filters = 6 ", "filters = 25").replace("classes=1\n", "")
    assert parse_cfg(text).heads[0].classes == 20
    assert parse_cfg(set_classes(text, 4)).heads[0].classes == 4


def test_a_cfg_for_no_class_is_refused() -> None:
    with pytest.raises(UserError, match="expected one class or more, got 0"):
        set_classes(CFG, 0)
