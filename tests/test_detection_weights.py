"""The .weights format, with a stand-in for the Keras model: nothing heavy is imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.errors import UserError
from detection.darknet import DarknetConfig, parse_cfg, read_cfg, set_classes
from detection.weights import (
    Convolution,
    count_values,
    load_fitting_weights,
    load_weights,
    read_values,
    save_weights,
    split_values,
    write_weights,
)

CONFIGS = Path(__file__).parents[1] / "configs"
CFG = """[net]
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
filters=4
size=1
groups=2
activation=relu

[convolutional]
filters=6
size=1
activation=linear

[yolo]
mask=1
anchors=8,8, 16,24
classes=1
"""
COUNT = 16 + 108 + 4 + 8 + 6 + 24


class FakeLayer:
    """Holds arrays as a Keras layer does."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self._weights: list[NDArray[np.float32]] = [np.zeros(shape, np.float32) for shape in shapes]

    def get_weights(self) -> list[NDArray[np.float32]]:
        return self._weights

    def set_weights(self, weights: Sequence[NDArray[np.float32]]) -> None:
        assert [w.shape for w in weights] == [w.shape for w in self._weights]
        self._weights = list(weights)


class FakeModel:
    """The convolutions of CFG, for a number of classes."""

    def __init__(self, seed: int | None = None, classes: int = 1) -> None:
        outputs = 5 + classes
        self.layers = {
            "conv_0": FakeLayer((3, 3, 3, 4)),
            "bn_0": FakeLayer((4,), (4,), (4,), (4,)),
            "conv_1": FakeLayer((1, 1, 2, 4), (4,)),
            "conv_2": FakeLayer((1, 1, 4, outputs), (outputs,)),
        }
        if seed is not None:
            rng = np.random.default_rng(seed)
            for layer in self.layers.values():
                layer.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])

    def get_layer(self, name: str) -> FakeLayer:
        return self.layers[name]

    def values(self, *names: str) -> list[NDArray[np.float32]]:
        return [weight for name in names or self.layers for weight in self.layers[name].get_weights()]


def assert_equal(a: FakeModel, b: FakeModel, *names: str) -> None:
    for expected, got in zip(a.values(*names), b.values(*names), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.fixture
def config() -> DarknetConfig:
    return parse_cfg(CFG)


def test_weights_come_back_as_they_were_saved(config: DarknetConfig, tmp_path: Path) -> None:
    model, other = FakeModel(seed=0), FakeModel()
    save_weights(model, config, tmp_path / "sub" / "a.weights")
    load_weights(other, config, tmp_path / "sub" / "a.weights")
    assert_equal(model, other)


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
    np.testing.assert_array_equal(values[16 + 108 :][:4], model.layers["conv_1"].get_weights()[1])


@pytest.mark.parametrize(("bits", "version", "header"), [(32, 1, 16), (64, 2, 20)])
def test_both_headers_are_written_and_read(
    config: DarknetConfig, tmp_path: Path, bits: Literal[32, 64], version: int, header: int
) -> None:
    layers = [
        Convolution(np.full(shape, index, np.float32), np.ones(shape[0], np.float32), None)
        for index, shape in config.kernels.items()
    ]
    path = tmp_path / "a.weights"
    write_weights(path, layers, seen=77, seen_bits=bits)
    raw = path.read_bytes()
    assert np.frombuffer(raw, "<i4", count=4).tolist() == [0, version, 0, 77]
    assert len(raw) == header + 4 * sum(layer.kernel.size + layer.bias.size for layer in layers)
    values = read_values(path)
    assert values[:4].tolist() == [1, 1, 1, 1]
    assert len(values) == (len(raw) - header) // 4


@pytest.mark.parametrize(
    ("name", "file_bytes", "parts"),
    [
        # Sizes of the files that the authors published, and of their backbones (first layers alone).
        ("yolov3", 248_007_048, {74: 162_482_580}),
        ("yolov3-tiny", 35_434_956, {}),
        ("yolov4", 257_717_640, {137: 170_038_676}),
        ("yolov4-tiny", 24_251_276, {29: 19_789_716}),
    ],
)
def test_the_stock_cfgs_need_as_many_values_as_their_published_files_hold(
    name: str, file_bytes: int, parts: dict[int, int]
) -> None:
    config = read_cfg(CONFIGS / f"{name}.cfg")
    count = count_values(config)
    assert 20 + 4 * count == file_bytes
    for layers, part_bytes in parts.items():
        values = np.zeros((part_bytes - 20) // 4, np.float32)
        filled = split_values(values, config)
        assert list(filled) == [index for index in config.kernels if index < layers]
        sizes = [
            v.kernel.size + v.bias.size + (v.norm.size if v.norm is not None else 0) for v in filled.values()
        ]
        assert sum(sizes) == len(values)


@pytest.mark.parametrize("change", [-4, 4, 400])
def test_weights_of_another_cfg_are_refused_with_both_sizes(
    config: DarknetConfig, tmp_path: Path, change: int
) -> None:
    path = tmp_path / "a.weights"
    save_weights(FakeModel(), config, path)
    raw = path.read_bytes()
    path.write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    with pytest.raises(UserError, match=f"expected {COUNT} weights .* holds {COUNT + change // 4};"):
        load_weights(FakeModel(), config, path)


def test_values_that_are_cut_off_in_the_middle_are_refused(config: DarknetConfig, tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    save_weights(FakeModel(), config, path)
    path.write_bytes(path.read_bytes() + b"ab")
    with pytest.raises(UserError, match=f"got {4 * COUNT + 2} bytes of them"):
        load_weights(FakeModel(), config, path)


def test_a_header_that_is_cut_off_is_refused(config: DarknetConfig, tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    path.write_bytes(np.array([0, 2, 0, 0], "<i4").tobytes())  # version 0.2 has four bytes more
    with pytest.raises(UserError, match=r"it is damaged"):
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


@pytest.mark.parametrize("classes", [2, 80])
def test_weights_for_other_classes_fill_all_but_the_heads(
    config: DarknetConfig, tmp_path: Path, classes: int
) -> None:
    source, model = FakeModel(seed=5, classes=classes), FakeModel(seed=6)
    path = tmp_path / "a.weights"
    save_weights(source, parse_cfg(set_classes(CFG, classes)), path)
    loaded = load_fitting_weights(model, config, path)
    assert (loaded.filled, loaded.kept) == (("conv_0", "conv_1"), ("conv_2",))
    assert_equal(source, model, "conv_0", "bn_0", "conv_1")
    assert_equal(FakeModel(seed=6), model, "conv_2")


def test_weights_that_end_after_a_layer_fill_the_first_layers(config: DarknetConfig, tmp_path: Path) -> None:
    source, model = FakeModel(seed=5), FakeModel(seed=6)
    path = tmp_path / "small.conv.1"
    save_weights(source, config, path)
    path.write_bytes(path.read_bytes()[: 20 + 4 * (16 + 108)])
    loaded = load_fitting_weights(model, config, path)
    assert (loaded.filled, loaded.kept) == (("conv_0",), ("conv_1", "conv_2"))
    assert_equal(source, model, "conv_0", "bn_0")
    assert_equal(FakeModel(seed=6), model, "conv_1", "conv_2")


def test_weights_of_the_same_cfg_fill_everything(config: DarknetConfig, tmp_path: Path) -> None:
    source, model = FakeModel(seed=5), FakeModel()
    save_weights(source, config, tmp_path / "a.weights")
    assert load_fitting_weights(model, config, tmp_path / "a.weights").kept == ()
    assert_equal(source, model)


@pytest.mark.parametrize("count", [0, 16, 16 + 107, COUNT - 1, COUNT + 1, COUNT + 6])
def test_weights_that_end_inside_a_layer_fit_nothing(
    config: DarknetConfig, tmp_path: Path, count: int
) -> None:
    path = tmp_path / "a.weights"
    path.write_bytes(np.array([0, 2, 0, 0, 0], "<i4").tobytes() + bytes(4 * count))
    with pytest.raises(UserError, match=f"expected {COUNT} weights .*; .* holds {count}$"):
        load_fitting_weights(FakeModel(), config, path)
