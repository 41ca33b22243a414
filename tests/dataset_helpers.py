"""Small labelled data sets for tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detection.training.dataset import Dataset

SIZE_WH = (80, 40)
ROWS = "1 0.5 0.5 0.25 0.5\n0 0.0 0.0 0.5 0.0 0.5 0.25\n"
BOXES = [[30.0, 10.0, 50.0, 30.0], [0.0, 0.0, 40.0, 10.0]]
"""What ROWS says, in pixels of an image of SIZE_WH."""


def paint(*paths: Path, size_wh: tuple[int, int] = SIZE_WH) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((size_wh[1], size_wh[0], 3), 90, np.uint8))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def coco_of(names: list[str], **changes: Any) -> dict[str, Any]:
    """A COCO file with a box in each image; ids start at 5, categories at 3."""
    coco = {
        "images": [
            {"id": index, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]}
            for index, name in enumerate(names, start=5)
        ],
        "annotations": [
            {"id": index, "image_id": index, "category_id": 4, "bbox": [30, 10, 20, 20]}
            for index, _ in enumerate(names, start=5)
        ],
        "categories": [{"id": 3, "name": "imp"}, {"id": 4, "name": "cow"}],
    }
    return {**coco, **changes}


def write_json(path: Path, coco: Mapping[str, Any]) -> Path:
    return write(path, json.dumps(coco))


def assert_read(dataset: Dataset, files: list[str], boxes: list[list[float]]) -> None:
    """Those files, each with those boxes, of which the first is a cow."""
    assert dataset.class_names == ("imp", "cow")
    assert [image.path.name for image in dataset.images] == files
    for image in dataset.images:
        assert image.size_wh == SIZE_WH
        assert image.xyxy_px.tolist() == boxes
        assert image.class_id[0] == 1
