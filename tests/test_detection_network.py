"""Our Keras model of a cfg beside OpenCV's own Darknet importer, whose heads are committed as a reference.

`python tools/darknet_parity.py --reference tests/darknet_reference.npz` makes it anew, with OpenCV 4.
"""

from pathlib import Path

import numpy as np
import pytest

from capture.errors import UserError
from detection.darknet import DarknetConfig, parse_cfg, read_cfg
from detection.weights import Convolution, load_weights, write_weights
from tools.darknet_parity import (
    SLIM_WH,
    TOLERANCE,
    compare_heads,
    random_convolutions,
    random_images,
    run_keras,
    slim_networks,
)

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")

REFERENCE = Path(__file__).parent / "darknet_reference.npz"
CONFIGS = Path(__file__).parents[1] / "configs"
NETWORKS = dict(slim_networks())
HEAD = "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n\n[yolo]\nmask=0\nanchors=8,8\nclasses=1\n"


def test_the_reference_holds_every_head() -> None:
    with np.load(REFERENCE) as heads:
        assert set(heads) == {
            f"{name}/{number}" for name, config in NETWORKS.items() for number in range(len(config.heads))
        }


@pytest.mark.parametrize("name", NETWORKS)
def test_every_head_is_what_opencv_gives(name: str, tmp_path: Path) -> None:
    config = NETWORKS[name]
    weights = tmp_path / "random.weights"
    write_weights(weights, random_convolutions(config, seed=1))
    with np.load(REFERENCE) as heads:
        theirs = [heads[f"{name}/{number}"] for number in range(len(config.heads))]
    assert min(float(head.std()) for head in theirs) > 0.1  # the comparison is of something
    ours = run_keras(config, weights, random_images(SLIM_WH, seed=2))
    assert max(compare_heads(ours, theirs)) < TOLERANCE


def run_copying(layers: str, images: np.ndarray, folder: Path, kernels: int = 0) -> np.ndarray:
    """What `layers` make of three channels: `kernels` convolutions times 1, 2, …, and a head that copies."""
    height, width = images.shape[1:3]
    config = parse_cfg(f"[net]\nwidth={width}\nheight={height}\n\n{layers}\n{HEAD}")
    factors = [*range(1, kernels + 1), 1]
    write_weights(
        folder / "copy.weights",
        [
            Convolution(factor * np.eye(shape[0], 3, dtype=np.float32), np.zeros(shape[0], np.float32), None)
            for factor, shape in zip(factors, config.kernels.values(), strict=True)
        ],
    )
    return run_keras(config, folder / "copy.weights", images)[0][0, :, :, :3]


def test_a_shortcut_adds_all_that_it_names_and_then_activates(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    scale = "[convolutional]\nfilters=3\nactivation=linear\n\n"
    layers = 3 * scale + "[shortcut]\nfrom=-2,0\nactivation=relu\n"
    # 1x, then 2x of it, then 3x of that: 6 + 2 + 1
    np.testing.assert_allclose(
        run_copying(layers, images, tmp_path, kernels=3), np.maximum(9 * images[0], 0), rtol=1e-5, atol=1e-6
    )


def pool_by_loop(image: np.ndarray, size: int, stride: int, padding: int) -> np.ndarray:
    """Darknet's forward_maxpool_layer: windows begin at -padding / 2, and cells outside do not count."""
    height, width, channels = image.shape
    rows, columns = ((cells + padding - size) // stride + 1 for cells in (height, width))
    out = np.full((rows, columns, channels), -np.inf, np.float32)
    for row, column, i, j in np.ndindex(rows, columns, size, size):
        y, x = row * stride - padding // 2 + i, column * stride - padding // 2 + j
        if 0 <= y < height and 0 <= x < width:
            out[row, column] = np.maximum(out[row, column], image[y, x])
    return out


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, 2, 1), (2, 1, 1), (3, 2, 2), (5, 1, 4), (3, 3, 2), (2, 3, 1), (4, 2, 0)],
)
def test_poolings_pad_as_darknet_does(size: int, stride: int, padding: int, tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(1, 32, 64, 3)).astype(np.float32) - 5  # zeros would show
    layers = f"[maxpool]\nsize={size}\nstride={stride}\n" + (f"padding={padding}\n" if padding == 0 else "")
    got = run_copying(layers, images, tmp_path)
    np.testing.assert_allclose(got, pool_by_loop(images[0], size, stride, padding), rtol=1e-6)


def test_weights_of_another_size_of_input_are_the_same_weights(tmp_path: Path) -> None:
    from detection.network import build_network, list_heads

    config: DarknetConfig = NETWORKS["yolov4-tiny"]
    write_weights(tmp_path / "a.weights", random_convolutions(config, seed=1))
    network = build_network(config, (64, 32))
    load_weights(network, config, tmp_path / "a.weights")
    heads = list_heads(network(random_images((64, 32), seed=0), training=False))
    assert [head.shape[1:3] for head in heads] == [(1, 2), (2, 4)]


def test_an_input_that_the_grids_do_not_fit_is_named_with_the_route() -> None:
    from detection.network import build_network

    config = read_cfg(CONFIGS / "yolov4-tiny.cfg")
    with pytest.raises(UserError, match=r"yolov4-tiny\.cfg line \d+: .* equal grids, got 26×26 and 25×25"):
        build_network(config, (400, 400))
