"""What `evaluate --out` leaves: figures and pictures of a detector whose mistakes are known."""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from capture.errors import UserError
from detection.training.mistakes import Kind, Mistake
from detection.training.report import write_report
from detection.training.scoring import score_rows
from detection.training.sheets import KINDS, TILE_PX, draw_sheet, draw_tile

GREEN, RED = KINDS["labelled"][1], KINDS["predicted"][1]


def make_image(folder: Path, name: str = "a.png") -> None:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), np.full((240, 320, 3), 90, np.uint8))


def make_data(folder: Path, classes: tuple[str, ...]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Two labels of the first class, one of them found, and one false alarm."""
    make_image(folder)
    coco = {
        "images": [{"id": 1, "file_name": str(folder / "a.png")}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [20, 20, 40, 60]},
            {"image_id": 1, "category_id": 1, "bbox": [150, 100, 30, 40]},
        ],
        "categories": [{"id": index, "name": name} for index, name in enumerate(classes, start=1)],
    }
    rows = [
        {"image_id": 1, "category_id": 1, "bbox": [20, 20, 40, 60], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [240, 150, 30, 40], "score": 0.95},
    ]
    return coco, rows


def report(tmp_path: Path, classes: tuple[str, ...], agnostic: bool) -> Path:
    coco, rows = make_data(tmp_path / "images", classes)
    figures = {
        "model": "scripted",
        "images": 1,
        **score_rows(coco, rows, agnostic),
        "class_agnostic": agnostic,
    }
    write_report(tmp_path / "out", coco, rows, figures)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == figures
    return tmp_path / "out"


def count_colour(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    return int((picture == np.array(colour, np.uint8)).all(axis=-1).sum())


def read_tile(path: Path) -> NDArray[np.uint8]:
    """The first tile of a sheet, and all to the right of it."""
    sheet = np.asarray(cv2.imread(str(path)), np.uint8)
    return sheet[56 : 56 + TILE_PX]


def test_the_report_shows_the_miss_in_green_and_the_false_alarm_in_red(tmp_path: Path) -> None:
    out = report(tmp_path, ("monster",), agnostic=True)
    assert {path.name for path in out.iterdir()} == {
        "report.json", "precision_recall.png", "misses.png", "false_alarms.png",
    }  # fmt: skip
    miss, alarm = read_tile(out / "misses.png"), read_tile(out / "false_alarms.png")
    assert count_colour(miss, GREEN) > 500
    assert count_colour(miss[:, 260:], GREEN) == 0, "one miss, one tile"
    assert count_colour(alarm, RED) > 500


def test_several_classes_get_a_panel_of_their_own(tmp_path: Path) -> None:
    one = cv2.imread(str(report(tmp_path, ("monster",), agnostic=True) / "precision_recall.png"))
    two = cv2.imread(str(report(tmp_path, ("monster", "imp"), agnostic=False) / "precision_recall.png"))
    assert one is not None
    assert two is not None
    assert two.shape[1] == 2 * one.shape[1]


def test_a_detector_without_mistakes_gets_sheets_without_tiles(tmp_path: Path) -> None:
    draw_sheet([], "nothing", tmp_path / "empty.png")
    sheet = cv2.imread(str(tmp_path / "empty.png"))
    assert sheet is not None
    assert sheet.shape[0] < TILE_PX


@pytest.mark.parametrize("xywh", [[0, 0, 20, 30], [300, 210, 20, 30], [0, 0, 320, 240], [100, 60, 4, 3]])
def test_a_tile_shows_all_four_sides_of_its_box_wherever_it_lies(xywh: list[float]) -> None:
    kind: Kind = "labelled"
    image = np.full((240, 320, 3), 90, np.uint8)
    tile = draw_tile(image, Mistake(Path("a.png"), xywh, [(kind, xywh)], ("", "")))
    green = (tile == np.array(GREEN, np.uint8)).all(axis=-1)
    rows, columns = np.flatnonzero(green.any(axis=1)), np.flatnonzero(green.any(axis=0))
    height, width = rows[-1] - rows[0], columns[-1] - columns[0]
    assert width / height == pytest.approx(xywh[2] / xywh[3], rel=0.15)
    # OpenCV rounds the corners of thick lines.
    assert min(green[rows[0]].sum(), green[rows[-1]].sum()) > 0.8 * width
    assert min(green[:, columns[0]].sum(), green[:, columns[-1]].sum()) > 0.8 * height


def test_a_report_without_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r"local-aim-assistant\[plots\]"):
        report(tmp_path, ("monster",), agnostic=True)
    assert not (tmp_path / "out").exists()


def test_a_long_caption_stays_under_its_tile(tmp_path: Path) -> None:
    make_image(tmp_path)
    mistake = Mistake(tmp_path / "a.png", [0, 0, 90, 90], [], ("W" * 60, ""))
    draw_sheet([mistake], "", tmp_path / "sheet.png")
    captions = np.asarray(cv2.imread(str(tmp_path / "sheet.png")), np.uint8)[56 + TILE_PX :]
    columns = np.flatnonzero((captions != captions[-1, -1]).any(axis=(0, 2)))
    assert len(columns) > 100
    assert columns[-1] < 10 + TILE_PX + 5


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    mistake = Mistake(tmp_path / "gone.png", [0, 0, 9, 9], [], ("", ""))
    with pytest.raises(UserError, match=r"gone\.png"):
        draw_sheet([mistake], "", tmp_path / "sheet.png")
