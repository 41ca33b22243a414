"""Our Keras model of a cfg beside OpenCV's own Darknet importer, on the same weights file."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from capture.errors import UserError
from detection.darknet import load_weights, parse_cfg, read_cfg, save_weights

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")

CONFIGS = Path(__file__).parents[1] / "configs"


def conv(filters: int, size: int, stride: int = 1, activation: str = "leaky", norm: int = 1) -> str:
    return (
        f"[convolutional]\nbatch_normalize={norm}\nfilters={filters}\nsize={size}\nstride={stride}\n"
        f"pad=1\nactivation={activation}\n\n"
    )


def yolo(mask: str) -> str:
    return f"[yolo]\nmask={mask}\nanchors=8,12, 20,30, 40,40\nclasses=2\nnum=3\nscale_x_y=1.05\n\n"


NET = "[net]\nwidth=96\nheight=64\nchannels=3\n\n"
EVERY_LAYER = (
    NET
    + conv(8, 3, 2)
    + conv(8, 3, 2, "mish")
    + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n\n"
    + conv(4, 3)
    + "[route]\nlayers=-1,-2\n\n"
    + conv(8, 1)
    + "[shortcut]\nfrom=1\nactivation=linear\n\n"
    + "[maxpool]\nsize=2\nstride=2\n\n"
    + conv(8, 3)
    + conv(16, 3, 2)
    + "[maxpool]\nsize=2\nstride=1\n\n"  # yolov3-tiny
    + "[maxpool]\nsize=5\nstride=1\n\n"  # spatial pyramid pooling
    + conv(7, 1, activation="linear", norm=0)
    + yolo("2")
    + "[route]\nlayers=-3\n\n"
    + conv(8, 1)
    + "[upsample]\nstride=2\n\n"
    + "[route]\nlayers=-1,8\n\n"
    + conv(14, 1, activation="linear", norm=0)
    + yolo("0,1")
)


def randomize(model: Any, seed: int) -> None:
    """Random weights of unit gain; batch-norm variances away from 0."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        shapes = [weight.shape for weight in layer.get_weights()]
        if layer.name.startswith("bn_"):
            size = shapes[0]
            ranges = ((0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 2.0))
            layer.set_weights([rng.uniform(low, high, size) for low, high in ranges])
        elif shapes:
            gain = float(np.sqrt(2 / np.prod(shapes[0][:3])))
            layer.set_weights([rng.normal(0, gain, shape) for shape in shapes])


def run_opencv(text: str, weights: Path, images: np.ndarray, heads: list[int]) -> list[np.ndarray]:
    """The raw heads (B, h, w, channels) of OpenCV's importer."""
    cfg = weights.with_suffix(".cfg")
    cfg.write_text(text)
    network = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    network.setInput(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    outputs = network.forward([f"conv_{index}" for index in heads])
    return [output.transpose(0, 2, 3, 1) for output in outputs]


def compare_with_opencv(text: str, size_wh: tuple[int, int], folder: Path) -> None:
    from detection.network import build_network

    config = parse_cfg(text)
    made, filled = build_network(config, size_wh), build_network(config, size_wh)
    randomize(made, seed=3)
    path = folder / "random.weights"
    save_weights(made, config, path)
    load_weights(filled, config, path)
    images = np.random.default_rng(4).uniform(0, 1, (1, size_wh[1], size_wh[0], 3)).astype(np.float32)
    ours = [np.asarray(head) for head in filled(images, training=False)]
    heads = [index - 1 for index, section in enumerate(config.sections) if section.type == "yolo"]
    theirs = run_opencv(text, path, images, heads)
    for our, their, head in zip(ours, theirs, config.heads, strict=True):
        assert our.shape == their.shape
        assert our.shape[1:3] == (size_wh[1] // head.stride, size_wh[0] // head.stride)
        assert np.abs(their).max() > 0.1  # the comparison is of something
        np.testing.assert_allclose(our, their, rtol=0, atol=2e-4 * float(np.abs(their).max()))


def test_every_kind_of_layer_gives_what_opencv_gives(tmp_path: Path) -> None:
    compare_with_opencv(EVERY_LAYER, (96, 64), tmp_path)


@pytest.mark.parametrize("name", ["doom-tiny", "yolov4-tiny"])
def test_the_shipped_cfgs_give_what_opencv_gives(name: str, tmp_path: Path) -> None:
    config = read_cfg(CONFIGS / f"{name}.cfg")
    size = f"width={config.width_px}", f"height={config.height_px}"
    small = config.text.replace(size[0], "width=96").replace(size[1], "height=64")
    compare_with_opencv(small, (96, 64), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("activation=mish", "activation=swish", r"line 14: expected activation .*, got swish"),
        ("size=2\nstride=2", "size=3\nstride=2", r"expected \[maxpool\] with size=2 or stride=1, got size=3"),
        ("filters=7", "filters=8", r"expected filters=7 before \[yolo\] \(1 anchors\), got 8"),
    ],
)
def test_what_the_builder_cannot_make_is_the_users_error(old: str, new: str, message: str) -> None:
    from detection.network import build_network

    with pytest.raises(UserError, match=message):
        build_network(parse_cfg(EVERY_LAYER.replace(old, new)))
