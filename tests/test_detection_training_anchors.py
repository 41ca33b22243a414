"""The anchors that fit a data set."""

import numpy as np

from detection.training.anchors import cluster_anchors


def test_anchors_are_the_centres_of_the_box_sizes_smallest_first() -> None:
    rng = np.random.default_rng(0)
    sizes = np.repeat([[80.0, 150.0], [10.0, 16.0], [30.0, 48.0]], 200, axis=0) * rng.normal(
        1, 0.05, (600, 2)
    )
    boxes = np.zeros((600, 2, 5), np.float32)  # the second row of each image is unused
    boxes[:, 0, 2:4] = sizes
    np.testing.assert_allclose(cluster_anchors(boxes, 3), [[10, 16], [30, 48], [80, 150]], rtol=0.03)
