"""Anchor sizes that fit a data set."""

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError


def cluster_anchors(
    boxes: NDArray[np.float32], count: int, rounds: int = 50, seed: int = 0
) -> NDArray[np.float64]:
    """k-means over box sizes with 1 − IoU as distance (YOLO9000, Redmon and Farhadi, 2017).

    boxes: (…, 5) as in LabelledFrames; crowds do not count. Returns (count, 2) width and height in pixels,
    smallest area first. UserError if there are no boxes.
    """
    flat = boxes.reshape(-1, 5)
    sizes = (flat[:, 2:4] - flat[:, 0:2]).astype(np.float64)
    sizes = sizes[(sizes > 0).all(axis=1) & (flat[:, 4] >= 0)]
    if len(sizes) == 0:
        raise UserError("expected boxes to fit anchors to, the labels hold none")
    rng = np.random.default_rng(seed)
    order = np.argsort(sizes.prod(axis=1))
    centres = sizes[order[np.linspace(0, len(order) - 1, count + 2).astype(int)[1:-1]]]
    sizes = sizes[rng.permutation(len(sizes))[:20_000]]
    for _ in range(rounds):
        overlap = np.minimum(sizes[:, None], centres).prod(axis=2)
        union = sizes.prod(axis=1)[:, None] + centres.prod(axis=1) - overlap
        nearest = (overlap / union).argmax(axis=1)
        centres = np.array(
            [
                np.median(sizes[nearest == k], axis=0) if (nearest == k).any() else centres[k]
                for k in range(count)
            ]
        )
    ordered: NDArray[np.float64] = centres[np.argsort(centres.prod(axis=1))]
    return ordered
