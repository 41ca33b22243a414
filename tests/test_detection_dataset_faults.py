"""What is wrong with labelled data, gathered over all of it."""

import sys
from pathlib import Path
from typing import Any

import pytest
from dataset_helpers import ROWS, coco_of, paint, write, write_json

from capture.errors import UserError
from detection.training.formats import read_dataset, scan_dataset

pytest.importorskip("yaml")


def test_faults_of_a_coco_file_are_gathered_and_the_rest_is_counted(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "a.png")
    write(tmp_path / "images" / "c.png", "no image")
    images: list[dict[str, Any]] = [
        {"id": 1, "file_name": "a.png"},
        {"id": 2, "file_name": "b.png"},
        {"id": 3, "file_name": "c.png"},
        {"id": 1, "file_name": "a.png"},
    ]
    rows: list[Any] = [
        {"image_id": 1, "category_id": 3, "bbox": [70, 0, 20, 10]},
        {"image_id": 1, "category_id": 9, "bbox": [0, 0, 20, 10]},
        {"image_id": 7, "category_id": 3, "bbox": [0, 0, 20, 10]},
        {"image_id": 1, "category_id": 3, "bbox": [0, 0, 0, 10]},
        {"image_id": 1, "category_id": 3, "bbox": [0, 0, "wide", 10]},
        {"image_id": 1, "category_id": 3, "bbox": [5, 5, 20, 10]},
        {"image_id": 2, "category_id": 3, "bbox": [5, 5, 20, 10]},
        ["no", "box"],
    ]
    path = write_json(tmp_path / "annotations.json", coco_of([], images=images, annotations=rows))
    dataset, faults = scan_dataset(tmp_path)
    assert [image.xyxy_px.tolist() for image in dataset.images] == [[[5, 5, 25, 15]]]
    assert faults.lines == [
        f"images[1]: no file {tmp_path / 'images' / 'b.png'}",
        "images[3]: the id 1 a second time",
        f"{Path('images', 'c.png')}: an image that cannot be decoded",
        "annotations[1]: no category has the id 9",
        "annotations[2]: no image has the id 7",
        "annotations[4]: a bbox of four numbers is wanted, not [0, 0, 'wide', 10]",
        "annotations[7]: image_id, category_id and bbox are wanted, not ['no', 'box']",
        "annotations[0]: a box from 70,0 to 90,10 px, outside of 80x40",
        "annotations[3]: a box of 0x10 px",
    ]
    with pytest.raises(UserError, match=r"images\[1\]: .*; images\[3\]: .*; .* … and 6 more") as error:
        read_dataset(path)
    assert "\n" not in str(error.value)


def test_faults_of_label_files_are_told_with_their_lines(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "a.png")
    write(tmp_path / "images" / "b.png", "no image")
    rows = [
        "0 0.5 0.5 0.2 0.2",
        "",
        "2 0.5 0.5 0.2 0.2",
        "0 0.5 0.5 nan 0.2",
        "imp 0.5 0.5 0.2 0.2",
        "0 0.5 0.5 0.2",
        "0 0.5 0.5 0.2 0.2 0.9",
        "0 40 20 16 8",
        "0 0.5 0.5 -0.2 0.2",
        "-1 0.5 0.5 0.2 0.2",
        "0.5 0.5 0.5 0.2 0.2",
    ]
    write(tmp_path / "labels" / "a.txt", "\n".join(rows))
    write(tmp_path / "labels" / "lost.txt", ROWS)
    write(tmp_path / "data.yaml", "train: images\nnames: [imp, cow]")
    dataset, faults = scan_dataset(tmp_path)
    assert [len(image.class_id) for image in dataset.images] == [1]
    label = Path("labels", "a.txt")
    assert faults.lines == [
        f"{Path('labels', 'lost.txt')}: labels of an image that is not there",
        f"{Path('images', 'b.png')}: an image that cannot be decoded",
        f"{label}:3: class 2 of 2 named",
        f"{label}:4: numbers are wanted, not '0 0.5 0.5 nan 0.2'",
        f"{label}:5: numbers are wanted, not 'imp 0.5 0.5 0.2 0.2'",
        f"{label}:6: class cx cy w h or a polygon are wanted, not 4 numbers",
        f"{label}:7: class cx cy w h or a polygon are wanted, not 6 numbers",
        f"{label}:10: class -1 of 2 named",
        f"{label}:11: class 0.5 of 2 named",
        f"{label}:8: a box from 2560,640 to 3840,960 px, outside of 80x40",
        f"{label}:9: a box of -16x8 px",
    ]


def test_a_list_with_lost_images_names_its_lines(tmp_path: Path) -> None:
    paint(tmp_path / "a.png")
    write(tmp_path / "a.txt", ROWS)
    write(tmp_path / "classes.txt", "imp\ncow\n")
    write(tmp_path / "train.txt", "a.png\n\ngone.png\n")
    with pytest.raises(UserError, match=r"got train\.txt:3: no file gone\.png$"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("annotations.json", "{", "as JSON"),
        ("annotations.json", "[]", "a list of images"),
        ("annotations.json", '{"images": [{"id": 1}], "annotations": []}', "'file_name' in images"),
        ("annotations.json", '{"images": [{"id": [], "file_name": "a"}]}', "'id' in images"),
        ("data.yaml", "names: [imp, cow", "expected YAML"),
        ("data.yaml", "imp", "expected names, train and val"),
        ("data.yaml", "train: images", "expected names in"),
        ("data.yaml", "train: images\nnames: {0: imp, 2: cow}", "numbered from 0"),
        ("data.yaml", "train: images\nnc: 3\nnames: [imp, cow]", "got nc 3, 2 names"),
        ("data.yaml", "val: images\nnames: [imp, cow]", "expected paths under train in .*, found val"),
        (
            "data.yaml",
            "train: 5\nnames: [imp, cow]",
            "a list of paths under train in .*, got 5; name folders",
        ),
        ("data.yaml", "train: [images, 5]\nnames: [imp, cow]", r"under train in .*, got \['images', 5\]"),
        ("data.yaml", "train: pictures\nnames: [imp, cow]", "at .*pictures, found nothing"),
        ("data.yaml", "train: images\nnames: [imp, cow]", "expected images in .*images, found none"),
        ("notes.txt", "", "found none of these"),
    ],
)
def test_what_is_no_data_set_is_the_users_error(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    (tmp_path / "images").mkdir()
    write(tmp_path / name, text)
    with pytest.raises(UserError, match=wanted):
        read_dataset(tmp_path)


def test_nothing_at_all_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"annotations\.json.*found nothing"):
        read_dataset(tmp_path / "gone")


def test_without_pyyaml_a_data_yaml_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "data.yaml", "train: images\nnames: [imp, cow]")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UserError, match=r"needs the package PyYAML: pip install '.*\[labels\]'"):
        read_dataset(tmp_path)
