"""From one layout of labelled data to another."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_helpers import BOXES, assert_read, coco_of, paint, write_json
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.training.coco import dataset_to_coco
from detection.training.formats import read_dataset, write_coco, write_yolo_txt

pytest.importorskip("yaml")


def test_images_of_the_same_name_are_numbered_and_links_are_links(tmp_path: Path) -> None:
    paint(tmp_path / "in" / "images" / "x" / "a.png", tmp_path / "in" / "images" / "y" / "A.jpg")
    write_json(tmp_path / "in" / "annotations.json", coco_of(["x/a.png", "y/A.jpg"]))
    dataset = read_dataset(tmp_path / "in")
    write_yolo_txt(dataset, tmp_path / "out", link=True)
    assert_read(read_dataset(tmp_path / "out"), ["000000_a.png", "000001_A.jpg"], BOXES[:1])
    assert os.path.samefile(tmp_path / "out" / "images" / "000000_a.png", dataset.images[0].path)
    write_coco(dataset, tmp_path / "copy")
    assert not os.path.samefile(tmp_path / "copy" / "images" / "000000_a.png", dataset.images[0].path)


NAMES = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8),
    min_size=1,
    max_size=4,
    unique=True,
)


@st.composite
def coco_files(draw: st.DrawFn) -> dict[str, Any]:
    """COCO with up to three images of any size, in any order of ids and names."""
    names = draw(NAMES)
    categories = [{"id": 10 * index + 1, "name": name} for index, name in enumerate(names)]
    order = draw(st.permutations("abc"))
    images, rows = [], []
    for number, stem in enumerate(order):
        width, height = draw(st.integers(8, 400)), draw(st.integers(8, 400))
        images.append({"id": 9 - number, "file_name": f"{stem}.png", "width": width, "height": height})
        for _ in range(draw(st.integers(0 if number else 1, 3))):
            left, top = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
            side_x, side_y = draw(st.floats(1, width - left)), draw(st.floats(1, height - top))
            category = draw(st.sampled_from(categories))["id"]
            rows.append(
                {"image_id": 9 - number, "category_id": category, "bbox": [left, top, side_x, side_y]}
            )
    return {"images": images, "annotations": rows, "categories": categories}


@settings(max_examples=25, deadline=None)
@given(coco=coco_files())
def test_coco_to_yolo_txt_to_coco_keeps_boxes_names_and_order(
    tmp_path_factory: pytest.TempPathFactory, coco: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("set")
    for image in coco["images"]:
        paint(folder / "images" / image["file_name"], size_wh=(image["width"], image["height"]))
    write_json(folder / "annotations.json", coco)
    write_yolo_txt(read_dataset(folder), folder / "yolo", link=True)
    write_coco(read_dataset(folder / "yolo"), folder / "coco", link=True)
    back = json.loads((folder / "coco" / "annotations.json").read_text(encoding="utf-8"))
    for key in ("file_name", "width", "height"):
        assert [image[key] for image in back["images"]] == [image[key] for image in coco["images"]]
    assert [c["name"] for c in back["categories"]] == [c["name"] for c in coco["categories"]]
    assert back == dataset_to_coco(
        read_dataset(folder / "coco"), [image["file_name"] for image in back["images"]]
    )
    image_ids = {image["id"]: index for index, image in enumerate(coco["images"], start=1)}
    classes = {category["id"]: index for index, category in enumerate(coco["categories"], start=1)}
    wanted = [(image_ids[row["image_id"]], classes[row["category_id"]]) for row in coco["annotations"]]
    assert [(row["image_id"], row["category_id"]) for row in back["annotations"]] == wanted
    for row, before in zip(back["annotations"], coco["annotations"], strict=True):
        np.testing.assert_allclose(row["bbox"], before["bbox"], atol=0.01)
