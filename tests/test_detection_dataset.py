"""Labelled data as training sees it: joined, counted, on the network's canvas."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.errors import UserError
from capture.frame import Frame, Region
from detection.boxes import canvas_to_image, fit_letterbox
from detection.preprocess import Canvas
from detection.training.dataset import (
    BoxRow,
    Dataset,
    Faults,
    LabelledImage,
    check_sizes,
    count_labels,
    join_datasets,
    label_image,
)
from detection.training.frames import load_frames, place_boxes

Box = tuple[float, float, float, float]


def make_image(
    folder: Path, name: str, boxes: list[Box], size_wh: tuple[int, int] = (64, 48), crowds: int = 0
) -> LabelledImage:
    """A black image, white inside its boxes; the last `crowds` of them are crowds."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    rows = []
    for index, (left, top, right, bottom) in enumerate(boxes):
        pixels[int(top) : int(bottom), int(left) : int(right)] = 255
        is_crowd = index >= len(boxes) - crowds
        rows.append(BoxRow("", (left, top, right, bottom), index % 2, is_crowd))
    cv2.imwrite(str(folder / name), pixels)
    faults = Faults(folder)
    image = label_image(name, folder / name, size_wh, rows, faults)
    assert not faults.lines
    return image


def make_dataset(folder: Path, *images: LabelledImage, names: tuple[str, ...] = ("imp", "cow")) -> Dataset:
    return Dataset(folder, images, names, tuple(range(1, len(names) + 1)))


def test_frames_and_boxes_come_at_the_networks_size(tmp_path: Path) -> None:
    seen = make_image(tmp_path, "a.png", [(8, 12, 24, 36)])
    frames = load_frames(make_dataset(tmp_path, seen, make_image(tmp_path, "b.png", [])), (32, 24))
    assert frames.pixels.shape == (2, 24, 32, 3)
    assert frames.class_names == ("imp", "cow")
    assert frames.boxes[0, 0].tolist() == [4, 6, 12, 18, 0]
    assert not frames.boxes[0, 1:].any()
    assert not frames.boxes[1].any()
    assert frames.pixels[0, 12, 8].tolist() == [255, 255, 255]
    assert not frames.pixels[1].any()


@pytest.mark.parametrize("size_wh", [(64, 48), (80, 45), (31, 77)])
def test_an_image_lies_on_the_canvas_as_at_inference(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    image = make_image(tmp_path, "a.png", [(4.0, 6.0, 25.0, 30.0)], size_wh)
    frames = load_frames(make_dataset(tmp_path, image), (48, 48))
    pixels = np.asarray(cv2.imread(str(image.path)), np.uint8)
    seen = Canvas((48, 48)).place(Frame(pixels, 0, 0, Region(0, 0, *size_wh)))
    np.testing.assert_array_equal(frames.pixels[0], seen[0])
    back = canvas_to_image(frames.boxes[0, :1, :4], fit_letterbox(size_wh, (48, 48)))
    np.testing.assert_allclose(back, image.xyxy_px, atol=1e-4)


@pytest.mark.parametrize(("most", "rows"), [(0, 8), (8, 8), (9, 16), (64, 64), (70, 64)])
def test_there_are_as_many_rows_as_the_fullest_image_needs_up_to_64(
    tmp_path: Path, most: int, rows: int
) -> None:
    boxes: list[Box] = [(0, 0, 20 + index / 4, 20) for index in range(most)]
    dataset = make_dataset(tmp_path, make_image(tmp_path, "a.png", boxes))
    frames = load_frames(dataset, (64, 48))
    assert frames.boxes.shape == (1, rows, 5)
    wanted = [right for _, _, right, _ in reversed(boxes)][:64]
    np.testing.assert_allclose(frames.boxes[0, : len(wanted), 2], wanted)


def test_a_crowd_has_no_class(tmp_path: Path) -> None:
    image = make_image(tmp_path, "a.png", [(0, 0, 10, 10), (0, 0, 20, 20), (0, 0, 30, 30)], crowds=1)
    assert place_boxes(image, (64, 48), 4)[:, 4].tolist() == [-1, 1, 0, 0]


def test_images_that_changed_since_they_were_labelled_are_listed_together(tmp_path: Path) -> None:
    images = [make_image(tmp_path, f"{index}.png", []) for index in range(6)]
    for index in range(4):
        (tmp_path / f"{index}.png").write_bytes(b"no image")
    make_image(tmp_path, "4.png", [], (20, 10))
    dataset = make_dataset(tmp_path, *images)
    with pytest.raises(UserError, match=r"0\.png: .*; 1\.png: .*; 2\.png: .* … and 2 more"):
        load_frames(dataset, (32, 24))
    faults = Faults(tmp_path)
    check_sizes(dataset, faults)
    assert len(faults.lines) == 5
    assert faults.lines[-1] == "4.png: an image of 20x10, labelled as 64x48"


def test_a_box_a_pixel_outside_is_cut_and_one_further_out_is_a_fault(tmp_path: Path) -> None:
    rows = [
        BoxRow("row 1", (-0.9, 3, 64.5, 48.9), 0),
        BoxRow("row 2", (-1.1, 3, 20, 20), 0),
        BoxRow("row 3", (5, 5, 5, 20), 0),
        BoxRow("row 4", (9, 5, 7, 20), 0),
        BoxRow("row 5", (64.2, 5, 64.9, 20), 0),
    ]
    faults = Faults(tmp_path)
    image = label_image(1, tmp_path / "a.png", (64, 48), rows, faults)
    assert image.xyxy_px.tolist() == [[0, 3, 64, 48]]
    assert faults.lines == [
        "row 2: a box from -1.1,3 to 20,20 px, outside of 64x48",
        "row 3: a box of 0x15 px",
        "row 4: a box of -2x15 px",
        "row 5: a box from 64.2,5 to 64.9,20 px, outside of 64x48",
    ]


def test_joined_sets_are_numbered_anew_and_must_agree_on_their_classes(tmp_path: Path) -> None:
    first = make_dataset(tmp_path / "a", make_image(tmp_path, "a.png", [(0, 0, 9, 9)]))
    second = make_dataset(tmp_path / "b", make_image(tmp_path, "b.png", []))
    joined = join_datasets([first, second])
    assert [(image.image_id, image.path.name) for image in joined.images] == [(1, "a.png"), (2, "b.png")]
    other = make_dataset(tmp_path / "c", names=("cow", "imp"))
    with pytest.raises(UserError, match=r"same classes .* imp, cow in .*a and cow, imp in .*c"):
        join_datasets([first, other])


def test_labels_are_counted_by_class_and_height(tmp_path: Path) -> None:
    boxes: list[Box] = [(0, 0.1, 9, 24.1), (0, 0, 9, 23.5), (0, 0, 9, 64), (0, 0, 9, 64.5), (0, 0, 9, 99)]
    images = make_image(tmp_path, "a.png", boxes, (80, 100), crowds=1), make_image(tmp_path, "b.png", [])
    counted = count_labels(make_dataset(tmp_path, *images))
    assert counted == {
        "images": 2,
        "images_without_boxes": 1,
        "sizes": {"80x100": 1, "64x48": 1},
        "boxes": 4,
        "crowds": 1,
        "classes": {"imp": 2, "cow": 2},
        "heights": {"under 24 px": 1, "24 to 64 px": 2, "over 64 px": 1},
    }
