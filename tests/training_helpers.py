"""What the tests of training share: a data set of white boxes, and a network of a few filters."""

import json
from pathlib import Path

import cv2
import numpy as np

TINY_CFG = """[net]
width=64
height=64

[convolutional]
batch_normalize=1
filters=8
size=5
stride=4
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=16
size=5
stride=4
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
