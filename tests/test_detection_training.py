"""Training: anchors, the loss; augmentation and the whole step where JAX is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detection.darknet import YoloHead
from detection.training.anchors import cluster_anchors
from detection.training.train import learning_rate

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")

ROOT = Path(__file__).parents[1]
FINE = YoloHead(((8.0, 12.0), (20.0, 30.0)), 1, 1.05, 16, False)
COARSE = YoloHead(((60.0, 90.0),), 1, 1.05, 32, False)
LAYERS = (COARSE, FINE)
SURE, UNSURE = 12.0, -12.0
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")


def write_coco(folder: Path, boxes: list[list[list[float]]], size_wh: tuple[int, int] = (64, 48)) -> Path:
    """Images that are black, and white inside their boxes (left, top, width, height)."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for index, rows in enumerate(boxes):
        pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
        for left, top, width, height in rows:
            pixels[int(top) : int(top + height), int(left) : int(left + width)] = 255
            annotations.append({"image_id": index, "category_id": 7, "bbox": [left, top, width, height]})
        cv2.imwrite(str(folder / "images" / f"{index}.png"), pixels)
        images.append({"id": index, "file_name": f"{index}.png"})
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "monster"}]}
    (folder / "annotations.json").write_text(json.dumps(coco))
    return folder


def test_anchors_are_the_centres_of_the_box_sizes_smallest_first() -> None:
    rng = np.random.default_rng(0)
    sizes = np.repeat([[80.0, 150.0], [10.0, 16.0], [30.0, 48.0]], 200, axis=0) * rng.normal(
        1, 0.05, (600, 2)
    )
    boxes = np.zeros((600, 2, 5), np.float32)  # the second row of most images is unused
    boxes[:, 0, 2:4] = sizes
    boxes[:50, 1] = [0, 0, 900, 900, -1]  # a crowd is no shape to learn
    np.testing.assert_allclose(cluster_anchors(boxes, 3), [[10, 16], [30, 48], [80, 150]], rtol=0.03)


def test_the_learning_rate_warms_up_and_ends_at_a_hundredth() -> None:
    rates = [learning_rate(progress, 1.0) for progress in np.linspace(0, 1, 101)]
    assert rates[0] == 0.0
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates.index(max(rates)) <= 3
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def silent_heads(batch: int = 1) -> list[NDArray[np.float32]]:
    """Raw heads for a 128 by 96 input that see nothing, and are sure of it."""
    heads = []
    for layer in LAYERS:
        raw = np.zeros(
            (batch, 96 // layer.stride, 128 // layer.stride, len(layer.anchors_wh_px), 6), np.float32
        )
        raw[..., 4] = UNSURE
        heads.append(raw.reshape(*raw.shape[:3], -1))
    return heads


def teach(heads: list[NDArray[np.float32]], box: tuple[float, ...], head: int, anchor: int) -> None:
    """Make one anchor predict the box (left, top, right, bottom) exactly, and surely."""
    layer = LAYERS[head]
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2 / layer.stride
    share = (centre % 1 + (layer.scale_x_y - 1) / 2) / layer.scale_x_y
    wh = np.array([box[2] - box[0], box[3] - box[1]])
    values = [*np.log(share / (1 - share)), *np.log(wh / layer.anchors_wh_px[anchor]), SURE, SURE]
    heads[head][0, int(centre[1]), int(centre[0]), 6 * anchor : 6 * anchor + 6] = values


def boxes_of(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    boxes = np.zeros((1, 4, 5), np.float32)
    for index, row in enumerate(rows):
        boxes[0, index, :4] = row
    return boxes


def loss_of(heads: list[NDArray[np.float32]], boxes: NDArray[np.float32]) -> float:
    import keras

    from detection.training.loss import yolo_loss

    tensors = [keras.ops.convert_to_tensor(head) for head in heads]
    return float(yolo_loss(tensors, LAYERS, keras.ops.convert_to_tensor(boxes)))


MEDIUM = (50.0, 20.0, 72.0, 50.0)


def test_a_frame_without_boxes_costs_nothing_if_nothing_is_seen_and_something_if_it_is() -> None:
    heads = silent_heads()
    assert loss_of(heads, boxes_of()) == pytest.approx(0, abs=0.01)
    teach(heads, MEDIUM, head=1, anchor=1)
    assert loss_of(heads, boxes_of()) == pytest.approx(SURE, rel=0.01)


def test_a_perfect_prediction_costs_nothing_and_a_missed_box_costs_much() -> None:
    heads = silent_heads()
    assert loss_of(heads, boxes_of(MEDIUM)) > SURE
    teach(heads, MEDIUM, head=1, anchor=1)
    assert loss_of(heads, boxes_of(MEDIUM)) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("box", "head", "anchor"),
    [((10.0, 10.0, 17.0, 21.0), 1, 0), (MEDIUM, 1, 1), ((2.0, 2.0, 70.0, 92.0), 0, 0)],
)
def test_each_box_belongs_to_the_anchor_of_its_size(box: tuple[float, ...], head: int, anchor: int) -> None:
    heads = silent_heads()
    teach(heads, box, head, anchor)
    assert loss_of(heads, boxes_of(box)) == pytest.approx(0, abs=0.02)


def test_a_box_that_fits_no_anchor_belongs_to_the_nearest() -> None:
    tall = (60.0, 1.0, 66.0, 95.0)
    losses = []
    for head, anchor in ((0, 0), (1, 0), (1, 1)):
        heads = silent_heads()
        teach(heads, tall, head, anchor)
        losses.append(loss_of(heads, boxes_of(tall)))
    assert sum(loss < 0.1 for loss in losses) == 1
    assert sorted(losses)[1] > SURE


def test_a_neighbour_that_overlaps_the_box_well_is_not_taught_that_it_is_empty() -> None:
    heads = silent_heads()
    teach(heads, MEDIUM, head=1, anchor=1)
    near, far = (52.0, 21.0, 74.0, 51.0), (90.0, 60.0, 112.0, 90.0)
    for box, is_free in ((near, True), (far, False)):
        others = [head.copy() for head in heads]
        teach(others, box, head=1, anchor=0)  # an anchor that the box does not belong to
        assert (loss_of(others, boxes_of(MEDIUM)) < 0.1) == is_free


def test_training_and_inference_decode_a_head_alike() -> None:
    import keras

    from detection.decode import decode_heads
    from detection.training.loss import decode_boxes

    raw = np.random.default_rng(0).normal(0, 1.5, (1, 6, 8, 2, 6)).astype(np.float32)
    trained = np.asarray(decode_boxes(keras.ops.convert_to_tensor(raw), FINE)).reshape(-1, 4)
    inferred = decode_heads([raw.reshape(1, 6, 8, 12)], [FINE], 0.0).xyxy_px
    order_a, order_b = np.lexsort(trained.T), np.lexsort(inferred.T)
    np.testing.assert_allclose(inferred[order_b], trained[order_a], rtol=1e-4, atol=1e-3)


def test_ciou_is_one_for_equal_boxes_and_falls_with_distance_and_aspect() -> None:
    from detection.training.loss import complete_iou

    a = np.array([[0.0, 0.0, 20.0, 20.0]], np.float32)
    others = ([0, 0, 20, 20], [5, 0, 25, 20], [0, 5, 20, 15], [40, 0, 60, 20], [80, 0, 100, 20])
    values = [float(complete_iou(a, np.array([b], np.float32))[0]) for b in others]
    assert values[0] == pytest.approx(1, abs=1e-5)
    assert values[1] == pytest.approx(0.6 - 25 / (25**2 + 20**2), abs=1e-4)  # equal aspect: IoU less distance
    assert values[2] < 0.5
    assert 0 > values[3] > values[4]


def run_on_jax(script: str, folder: Path) -> dict[str, Any]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


AUGMENT = """
import json, sys
import numpy as np
from pathlib import Path
from detection.training.formats import read_dataset
from detection.training.frames import load_frames
from detection.training.augment import augment_batch
data = load_frames(read_dataset(Path(sys.argv[1])), (128, 96))
rng = np.random.default_rng(0)
picks = rng.integers(len(data.pixels), size=(32, 4)).astype(np.int32)
import jax
shares, kept = [], []
for mosaic in (0.0, 1.0):
    step = jax.jit(lambda p, b, i, k: augment_batch(p, b, i, np.float32(mosaic), k, (128, 96)))
    images, boxes = map(np.asarray, step(data.pixels, data.boxes, picks, np.array([5, 0], np.uint32)))
    assert images.shape == (32, 96, 128, 3) and 0 <= images.min() and images.max() <= 1
    for image, rows in zip(images, boxes):
        rows = rows[(rows[:, 2] - rows[:, 0]) > 0]
        kept.append(len(rows))
        grey = image.mean(-1)
        for x0, y0, x1, y1, _ in rows:
            assert 0 <= x0 < x1 <= 128 and 0 <= y0 < y1 <= 96
            inner = grey[int(y0) + 2 : int(y1) - 2, int(x0) + 2 : int(x1) - 2]
            if inner.size:
                shares.append(float(inner.min() - np.median(grey)))
print(json.dumps({"whiter": float(np.mean(np.array(shares) > 0)), "boxes": len(shares), "kept": sum(kept)}))
"""


@needs_jax
def test_augmented_boxes_stay_on_what_they_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [[[float(x), float(y), 30.0, 36.0]] for x, y in rng.integers(0, [98, 60], (8, 2))]
    result = run_on_jax(AUGMENT, write_coco(tmp_path / "set", rows, (128, 96)))
    assert result["boxes"] > 60
    assert result["whiter"] > 0.98  # a quadrant full of one box can make the median white


TRAIN = """
import json, sys
from pathlib import Path
from detection.training.train import train
folder = Path(sys.argv[1])
done = train([folder / "set"], folder / "tiny.cfg", folder / "out.weights", 0.1, 4, 5e-3, 1)
print(json.dumps(done))
"""
TINY = """[net]
width=64
height=64

[convolutional]
batch_normalize=1
filters=8
size=3
stride=16
pad=1
activation=leaky

[convolutional]
filters=12
size=1
activation=linear

[yolo]
mask=0,1
anchors=12,12, 30,30
classes=1
scale_x_y=1.05
"""


@needs_jax
def test_training_lowers_the_loss_and_leaves_weights_that_load(tmp_path: Path) -> None:
    from detection.darknet import read_cfg
    from detection.network import build_network
    from detection.weights import load_weights

    write_coco(tmp_path / "set", [[[8.0 * i, 20.0, 16.0, 16.0]] for i in range(6)], (64, 64))
    (tmp_path / "tiny.cfg").write_text(TINY)
    done = run_on_jax(TRAIN, tmp_path)
    assert done["frames"] == 6
    losses = np.loadtxt(tmp_path / "out.csv", delimiter=",", skiprows=1, ndmin=2)[:, 2]
    assert losses[-1] < losses[0]
    config = read_cfg(tmp_path / "tiny.cfg")
    network = build_network(config)
    load_weights(network, config, tmp_path / "out.weights")
    assert all(np.isfinite(weight).all() for weight in network.get_weights())
