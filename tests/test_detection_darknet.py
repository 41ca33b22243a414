"""The cfg parser and the .weights format, with a stand-in for the Keras model: nothing heavy is imported."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.errors import UserError
from detection.darknet import DarknetConfig, load_weights, parse_cfg, read_cfg, save_weights

CONFIGS = Path(__file__).parents[1] / "configs"
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
filters=6   ; one anchor, one class
size=1

[yolo]
mask=1
anchors=8,8, 16,24
classes=1
scale_x_y=1.05
"""


class FakeLayer:
    """Holds arrays as a Keras layer does."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self._weights: list[NDArray[np.float32]] = [np.zeros(shape, np.float32) for shape in shapes]
        self.kernel = SimpleNamespace(shape=shapes[0])

    def get_weights(self) -> list[NDArray[np.float32]]:
        return self._weights

    def set_weights(self, weights: Sequence[NDArray[np.float32]]) -> None:
        assert [w.shape for w in weights] == [w.shape for w in self._weights]
        self._weights = list(weights)


class FakeModel:
    """The two convolutions of CFG."""

    def __init__(self, seed: int | None = None) -> None:
        self.layers = {
            "conv_0": FakeLayer((3, 3, 3, 4)),
            "bn_0": FakeLayer((4,), (4,), (4,), (4,)),
            "conv_1": FakeLayer((1, 1, 4, 6), (6,)),
        }
        if seed is not None:
            rng = np.random.default_rng(seed)
            for layer in self.layers.values():
                layer.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])

    def get_layer(self, name: str) -> FakeLayer:
        return self.layers[name]

    def values(self) -> list[NDArray[np.float32]]:
        return [weight for layer in self.layers.values() for weight in layer.get_weights()]


@pytest.fixture
def config() -> DarknetConfig:
    return parse_cfg(CFG)


def test_a_cfg_becomes_sections_and_heads_without_its_comments(config: DarknetConfig) -> None:
    assert (config.width_px, config.height_px, config.text) == (64, 32, CFG)
    assert [section.type for section in config.sections] == ["convolutional", "convolutional", "yolo"]
    assert config.sections[1].options == {"filters": "6", "size": "1"}
    (head,) = config.heads
    assert head.anchors_wh_px == ((16.0, 24.0),)
    assert (head.classes, head.scale_x_y, head.stride, head.new_coords) == (1, 1.05, 32, False)


@pytest.mark.parametrize(
    ("name", "strides", "classes"), [("doom-tiny", [32, 16], 1), ("yolov4-tiny", [32, 16], 80)]
)
def test_the_shipped_cfgs_have_a_coarse_and_a_fine_head(name: str, strides: list[int], classes: int) -> None:
    config = read_cfg(CONFIGS / f"{name}.cfg")
    assert [head.stride for head in config.heads] == strides
    assert {head.classes for head in config.heads} == {classes}
    assert {len(head.anchors_wh_px) for head in config.heads} == {3}
    assert {head.scale_x_y for head in config.heads} == {1.05}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[yolo]", "[dropout]", r"game\.cfg line 18: unknown section \[dropout\]"),
        ("size=1", "size 1", r"game\.cfg line 16: expected \[section\] or key=value, got 'size 1'"),
        ("mask=1", "mask=2", r"game\.cfg line 18: mask \[2\] does not fit 2 anchors"),
        ("stride=32", "stride=two", r"line 6: expected a number in stride=, got 'two'"),
        ("anchors=8,8", "anchors=8,x", r"line 18: expected numbers in anchors="),
        ("width=64", "width=60", r"game\.cfg line 2: .*multiples of 32, got 60×32"),
        ("[yolo]", "[route]\nlayers=-5\n[yolo]", r"game\.cfg line 18: expected a layer from 0 to 1, got -5"),
        ("[net]", "[convolutional]", r"expected game\.cfg to begin with \[net\]"),
        ("[yolo]", "[upsample]", r"expected at least one \[yolo\] section in game\.cfg"),
    ],
)
def test_a_mistake_in_a_cfg_is_named_with_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_cfg(CFG.replace(old, new, 1), "game.cfg")


@pytest.mark.parametrize("stride", ["0", "-1", "nan"])
@pytest.mark.parametrize("kind", ["convolutional", "upsample"])
def test_a_stride_that_is_no_positive_number_is_named_with_its_line(kind: str, stride: str) -> None:
    text = CFG.replace("[yolo]", f"[{kind}]\nstride={stride}\n[yolo]")
    with pytest.raises(UserError, match="line 18"):
        parse_cfg(text, "game.cfg")


def test_a_missing_cfg_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a Darknet cfg at .*none\.cfg"):
        read_cfg(tmp_path / "none.cfg")


def test_weights_come_back_as_they_were_saved(config: DarknetConfig, tmp_path: Path) -> None:
    model, other = FakeModel(seed=0), FakeModel()
    save_weights(model, config, tmp_path / "sub" / "a.weights")
    load_weights(other, config, tmp_path / "sub" / "a.weights")
    for expected, got in zip(model.values(), other.values(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_file_holds_norm_then_kernel_in_darknets_order(config: DarknetConfig, tmp_path: Path) -> None:
    model = FakeModel(seed=1)
    save_weights(model, config, tmp_path / "a.weights")
    raw = (tmp_path / "a.weights").read_bytes()
    assert np.frombuffer(raw, "<i4", count=5).tolist() == [0, 2, 0, 0, 0]
    values = np.frombuffer(raw, "<f4", offset=20)
    gamma, beta, mean, variance = model.layers["bn_0"].get_weights()
    np.testing.assert_array_equal(values[:16], np.concatenate([beta, gamma, mean, variance]))
    kernel = model.layers["conv_0"].get_weights()[0]
    np.testing.assert_array_equal(values[16 : 16 + 27], kernel[:, :, :, 0].transpose(2, 0, 1).ravel())
    np.testing.assert_array_equal(values[16 + 108 :][:6], model.layers["conv_1"].get_weights()[1])


def test_the_older_header_with_a_32_bit_count_is_read(config: DarknetConfig, tmp_path: Path) -> None:
    model, other = FakeModel(seed=2), FakeModel()
    save_weights(model, config, tmp_path / "new.weights")
    body = (tmp_path / "new.weights").read_bytes()[20:]
    (tmp_path / "old.weights").write_bytes(np.array([0, 1, 0, 77], "<i4").tobytes() + body)
    load_weights(other, config, tmp_path / "old.weights")
    for expected, got in zip(model.values(), other.values(), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("change", [-4, 4, 400])
def test_weights_of_another_cfg_are_refused_with_both_sizes(
    config: DarknetConfig, tmp_path: Path, change: int
) -> None:
    path = tmp_path / "a.weights"
    save_weights(FakeModel(), config, path)
    raw = path.read_bytes()
    path.write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    wanted = 16 + 108 + 6 + 24
    with pytest.raises(UserError, match=f"expected {wanted} weights .* holds {wanted + change // 4};"):
        load_weights(FakeModel(), config, path)


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_weights_file_that_is_missing_or_empty_is_the_users_error(
    config: DarknetConfig, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "a.weights"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"expected Darknet weights"):
        load_weights(FakeModel(), config, path)
