"""COCO folders as arrays for training."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError

MAX_BOXES = 16


@dataclass(frozen=True, slots=True)
class LabelledFrames:
    """Frames at the network's size, and their boxes.

    pixels: uint8 (N, H, W, 3) BGR. boxes: float32 (N, MAX_BOXES, 5): left, top, right, bottom in pixels of
    the resized frame, and the class id; unused rows are zero.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]


def read_coco(folder: Path, size_wh: tuple[int, int], threads: int = 8) -> LabelledFrames:
    """Read DIR/annotations.json and DIR/images, resized (bilinear, as at inference).

    Of more than MAX_BOXES boxes the largest are kept. UserError if files are missing.
    """
    path = folder / "annotations.json"
    if not path.is_file():
        raise UserError(
            f"expected COCO annotations at {path}; make them: python -m arena.dataset --out {folder}"
        )
    coco = json.loads(path.read_text())
    class_ids = {category["id"]: index for index, category in enumerate(coco["categories"])}
    by_image: dict[int, list[list[float]]] = {}
    for row in coco["annotations"]:
        left, top, width, height = row["bbox"]
        box = [left, top, left + width, top + height, class_ids[row["category_id"]]]
        by_image.setdefault(row["image_id"], []).append(box)
    count = len(coco["images"])
    pixels = np.zeros((count, size_wh[1], size_wh[0], 3), np.uint8)
    boxes = np.zeros((count, MAX_BOXES, 5), np.float32)

    def load(index: int) -> None:
        image = coco["images"][index]
        frame = cv2.imread(str(folder / "images" / image["file_name"]))
        if frame is None:
            raise UserError(f"expected an image at {folder / 'images' / image['file_name']}, found none")
        scale = np.array([size_wh[0] / frame.shape[1], size_wh[1] / frame.shape[0]], np.float32)
        pixels[index] = cv2.resize(frame, size_wh, interpolation=cv2.INTER_LINEAR)
        rows = sorted(by_image.get(image["id"], []), key=lambda b: (b[0] - b[2]) * (b[3] - b[1]))[:MAX_BOXES]
        if rows:
            found = np.array(rows, np.float32)
            found[:, :4] *= np.tile(scale, 2)
            boxes[index, : len(rows)] = found

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(load, range(count)))
    return LabelledFrames(pixels, boxes)


def cluster_anchors(
    boxes: NDArray[np.float32], count: int, rounds: int = 50, seed: int = 0
) -> NDArray[np.float64]:
    """k-means over box sizes with 1 − IoU as distance (YOLO9000, Redmon and Farhadi, 2017).

    boxes: (…, 5) as in LabelledFrames. Returns (count, 2) width and height in pixels, smallest area first.
    """
    flat = boxes.reshape(-1, 5)
    sizes = (flat[:, 2:4] - flat[:, 0:2]).astype(np.float64)
    sizes = sizes[(sizes > 0).all(axis=1)]
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
