"""The layouts that labelled data comes in."""

from pathlib import Path

import pytest
from dataset_helpers import BOXES, ROWS, assert_read, coco_of, paint, write, write_json

from capture.errors import UserError
from detection.training.formats import read_dataset

pytest.importorskip("yaml")


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations.json", "images"),
        ("_annotations.coco.json", ""),
        ("train/_annotations.coco.json", "train"),
        ("annotations/instances_default.json", "images"),
        ("annotations/instances_default.json", "images/default"),
        ("annotations/instances_train2017.json", "train2017"),
    ],
)
def test_a_coco_folder_is_known_by_its_annotations(tmp_path: Path, annotations: str, images: str) -> None:
    paint(tmp_path / images / "a.png", tmp_path / images / "deep" / "b.png")
    path = write_json(tmp_path / annotations, coco_of(["a.png", "deep/b.png"]))
    for source in (tmp_path, path):
        dataset = read_dataset(source)
        assert_read(dataset, ["a.png", "b.png"], BOXES[:1])
        assert [image.image_id for image in dataset.images] == [5, 6]
        assert dataset.category_ids == (3, 4)


def test_the_split_chooses_among_several_annotations(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "a.png", tmp_path / "images" / "b.png")
    for name in ("a", "b"):
        split = {"a": "train", "b": "val"}[name]
        write_json(tmp_path / "annotations" / f"instances_{split}2017.json", coco_of([f"{name}.png"]))
    assert_read(read_dataset(tmp_path), ["a.png"], BOXES[:1])
    assert_read(read_dataset(tmp_path, split="validation"), ["b.png"], BOXES[:1])
    with pytest.raises(UserError, match=r"one of instances_train2017\.json, .* for split test"):
        read_dataset(tmp_path, split="test")


def test_images_elsewhere_are_named(tmp_path: Path) -> None:
    paint(tmp_path / "far" / "a.png")
    path = write_json(tmp_path / "labels.json", coco_of(["a.png"]))
    assert_read(read_dataset(path, images_dir=tmp_path / "far"), ["a.png"], BOXES[:1])
    with pytest.raises(UserError, match="found none; give their --images"):
        read_dataset(path)


def test_crowds_and_ignored_boxes_are_told_apart(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "a.png")
    box = {"image_id": 5, "category_id": 3, "bbox": [0, 0, 9, 9]}
    rows = [{**box, "iscrowd": 1}, {**box, "ignore": 1}, {**box, "iscrowd": 0}]
    write_json(tmp_path / "annotations.json", coco_of(["a.png"], annotations=rows))
    assert read_dataset(tmp_path).images[0].is_crowd.tolist() == [True, True, False]


def test_the_category_that_only_groups_others_is_no_class(tmp_path: Path) -> None:
    paint(tmp_path / "a.png")
    categories = [
        {"id": 0, "name": "monsters", "supercategory": "none"},
        {"id": 3, "name": "imp", "supercategory": "monsters"},
        {"id": 4, "name": "cow", "supercategory": "monsters"},
    ]
    coco = coco_of(["a.png"], categories=categories)
    write_json(tmp_path / "_annotations.coco.json", coco)
    assert_read(read_dataset(tmp_path), ["a.png"], BOXES[:1])
    coco["annotations"].append({"image_id": 5, "category_id": 0, "bbox": [0, 0, 9, 9]})
    write_json(tmp_path / "_annotations.coco.json", coco)
    assert read_dataset(tmp_path).class_names == ("monsters", "imp", "cow")


@pytest.mark.parametrize(
    ("yaml", "image", "labels"),
    [
        ("train: images/train\nnames: [imp, cow]", "images/train/a.png", "labels/train/a.txt"),
        ("train: [images/train]\nnames: {0: imp, 1: cow}", "images/train/a.png", "labels/train/a.txt"),
        ("path: set\ntrain: images\nnc: 2\nnames: [imp, cow]", "set/images/a.png", "set/labels/a.txt"),
        ("path: /gone/set\ntrain: images\nnames: [imp, cow]", "images/a.png", "labels/a.txt"),
        ("train: ../train/images\nnames: ['imp', 'cow']", "train/images/a.png", "train/labels/a.txt"),
        ("val: images\ntrain: list.txt\nnames: [imp, cow]", "images/images/a.png", "images/labels/a.txt"),
    ],
)
def test_a_data_yaml_is_read_as_its_tools_read_it(tmp_path: Path, yaml: str, image: str, labels: str) -> None:
    paint(tmp_path / image)
    write(tmp_path / labels, ROWS)
    write(tmp_path / "list.txt", f"./{image}\n")
    path = write(tmp_path / "data.yaml", yaml)
    for source in (tmp_path, path):
        assert_read(read_dataset(source), ["a.png"], BOXES)


@pytest.mark.parametrize("split", ["val", "valid", "validation"])
def test_the_validation_split_has_three_names(tmp_path: Path, split: str) -> None:
    paint(tmp_path / "train" / "images" / "a.png", tmp_path / "valid" / "images" / "b.png")
    write(tmp_path / "valid" / "labels" / "b.txt", ROWS)
    write(tmp_path / "data.yaml", "train: train/images\nval: ../valid/images\nnc: 2\nnames: ['imp', 'cow']\n")
    assert_read(read_dataset(tmp_path, split=split), ["b.png"], BOXES)


@pytest.mark.parametrize(
    ("image", "labels", "names"),
    [
        ("images/a.png", "labels/a.txt", "classes.txt"),
        ("images/a.png", "labels/a.txt", "labels/classes.txt"),
        ("images/train/a.png", "labels/train/a.txt", "set.names"),
        ("images/a.png", "images/a.txt", "obj.names"),
        ("a.png", "a.txt", "classes.txt"),
    ],
)
def test_a_bare_folder_is_known_by_its_class_names(
    tmp_path: Path, image: str, labels: str, names: str
) -> None:
    paint(tmp_path / image)
    write(tmp_path / labels, ROWS)
    write(tmp_path / names, "imp\ncow\n")
    assert_read(read_dataset(tmp_path), ["a.png"], BOXES)


def test_a_darknet_list_keeps_its_order_and_may_start_at_another_folder(tmp_path: Path) -> None:
    paint(*(tmp_path / "obj_train_data" / f"{name}.png" for name in "abc"))
    for name in "abc":
        write(tmp_path / "obj_train_data" / f"{name}.txt", ROWS)
    write(tmp_path / "obj.names", "imp\ncow\n")
    write(tmp_path / "train.txt", "data/obj_train_data/c.png\n/home/me/darknet/data/obj_train_data/a.png\n")
    dataset = read_dataset(tmp_path)
    assert_read(dataset, ["c.png", "a.png"], BOXES)
    assert [image.image_id for image in dataset.images] == [1, 2]


def test_a_bare_folder_with_parts_has_no_other_split(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "train" / "a.png", tmp_path / "images" / "valid" / "b.png")
    write(tmp_path / "labels" / "train" / "a.txt", ROWS)
    write(tmp_path / "labels" / "valid" / "b.txt", ROWS)
    write(tmp_path / "classes.txt", "imp\ncow\n")
    assert_read(read_dataset(tmp_path, split="train"), ["a.png"], BOXES)
    assert_read(read_dataset(tmp_path, split="val"), ["b.png"], BOXES)
    with pytest.raises(UserError, match=r"images/test in .*, found valid, train; give --split"):
        read_dataset(tmp_path, split="test")


def test_an_image_without_a_label_file_has_no_boxes_but_one_must_have_some(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "a.png", tmp_path / "images" / "b.png")
    write(tmp_path / "classes.txt", "imp\ncow\n")
    with pytest.raises(UserError, match=r"expected labels such as .*labels.a\.txt"):
        read_dataset(tmp_path)
    write(tmp_path / "labels" / "b.txt", ROWS)
    assert [len(image.class_id) for image in read_dataset(tmp_path).images] == [0, 2]
