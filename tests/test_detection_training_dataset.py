"""COCO folders as arrays, and the anchors that fit them."""

from pathlib import Path

import numpy as np
import pytest
from training_helpers import write_coco

from capture.errors import UserError
from detection.training.dataset import MAX_BOXES, cluster_anchors, read_coco


def test_frames_and_boxes_come_at_the_networks_size(tmp_path: Path) -> None:
    frames = read_coco(write_coco(tmp_path / "set", [[[8, 12, 16, 24]], []]), (32, 24))
    assert frames.pixels.shape == (2, 24, 32, 3)
    assert frames.boxes[0, 0].tolist() == [4, 6, 12, 18, 0]
    assert not frames.boxes[0, 1:].any()
    assert not frames.boxes[1].any()
    assert frames.pixels[0, 12, 8].tolist() == [255, 255, 255]
    assert not frames.pixels[1].any()


def test_of_too_many_boxes_the_largest_are_kept(tmp_path: Path) -> None:
    rows = [[0.0, 0.0, float(size), float(size)] for size in range(1, MAX_BOXES + 4)]
    boxes = read_coco(write_coco(tmp_path / "set", [rows]), (64, 48)).boxes[0]
    assert boxes[:, 2].tolist() == list(range(MAX_BOXES + 3, 3, -1))


def test_a_folder_without_annotations_or_with_a_lost_image_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected COCO annotations at .*annotations\.json"):
        read_coco(tmp_path, (32, 32))
    folder = write_coco(tmp_path / "set", [[]])
    (folder / "images" / "0.png").unlink()
    with pytest.raises(UserError, match=r"expected an image at .*0\.png, found none"):
        read_coco(folder, (32, 32))


def test_anchors_are_the_centres_of_the_box_sizes_smallest_first() -> None:
    rng = np.random.default_rng(0)
    sizes = np.repeat([[80.0, 150.0], [10.0, 16.0], [30.0, 48.0]], 200, axis=0) * rng.normal(
        1, 0.05, (600, 2)
    )
    boxes = np.zeros((600, 2, 5), np.float32)  # the second row of each image is unused
    boxes[:, 0, 2:4] = sizes
    np.testing.assert_allclose(cluster_anchors(boxes, 3), [[10, 16], [30, 48], [80, 150]], rtol=0.03)
