"""`labels` as a script sees it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dataset_helpers import BOXES, ROWS, paint, write

from detection.training.formats import read_dataset

pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
RECORDING = ROOT / "arena" / "recording"


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run_aimbot.py"), "labels", *map(str, arguments), "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def read_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def make_yolo(folder: Path) -> Path:
    paint(folder / "images" / "a.png", folder / "images" / "b.png")
    write(folder / "labels" / "a.txt", ROWS)
    write(folder / "data.yaml", "train: images\nval: images\nnames: [imp, cow]")
    return folder


def test_sound_labels_are_counted_and_converted(tmp_path: Path) -> None:
    source = make_yolo(tmp_path / "yolo")
    checked = call("check", source)
    assert checked.returncode == 0, checked.stderr
    assert read_json(checked)["classes"] == {"imp": 1, "cow": 1}
    assert read_json(checked)["errors"] == []
    done = call("convert", source, "--to", "coco", "--out", tmp_path / "coco", "--split", "val", "--link")
    assert done.returncode == 0, done.stderr
    assert (read_json(done)["images"], read_json(done)["boxes"]) == (2, 2)
    first, second = read_dataset(tmp_path / "coco").images
    assert (first.xyxy_px.tolist(), second.xyxy_px.tolist()) == (BOXES, [])


def test_faults_are_all_listed_by_check_and_refused_by_convert(tmp_path: Path) -> None:
    source = make_yolo(tmp_path / "yolo")
    write(source / "labels" / "b.txt", "9 0.5 0.5 0.1 0.1\n" * 5)
    checked = call("check", source)
    assert checked.returncode == 2
    assert len(read_json(checked)["errors"]) == 5
    assert read_json(checked)["boxes"] == 2
    refused = call("convert", source, "--to", "coco", "--out", tmp_path / "coco")
    for done in (checked, refused):
        assert done.stderr.startswith("error: expected sound labels in ")
        assert "b.txt:1: class 9 of 2 named" in done.stderr
        assert "… and 2 more" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert refused.returncode == 2
    assert not (tmp_path / "coco").exists()


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path) -> None:
    source = make_yolo(tmp_path / "yolo")
    done = call("convert", source, "--to", "coco", "--out", source)
    assert done.returncode == 2
    assert "expected a new or empty folder" in done.stderr


def test_a_session_is_exported_with_boxes_to_correct(tmp_path: Path) -> None:
    done = call("export", RECORDING, "--out", tmp_path / "set", "--every-s", "4", "--prelabel", "yolo")
    assert done.returncode == 0, done.stderr
    result = read_json(done)
    rows = [json.loads(line) for line in (RECORDING / "frames.jsonl").read_text().splitlines()]
    passed_s = (rows[-1]["captured_ns"] - rows[0]["captured_ns"]) / 1e9
    assert (result["frames"], result["images"]) == (len(rows), passed_s // 4 + 1)
    dataset = read_dataset(tmp_path / "set")
    assert dataset.class_names == ("monster",)
    assert dataset.images[0].path.name == "frame_000000.png"
    assert sum(len(image.class_id) for image in dataset.images) == result["boxes"] > 0


def test_an_export_that_fails_leaves_no_images(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "0.png"), np.zeros((20, 30, 3), np.uint8))
    (tmp_path / "in" / "1.png").write_bytes(b"no picture")
    done = call("export", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "1.png" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_export_without_labels_is_images_alone(tmp_path: Path) -> None:
    for index, level in enumerate((0, 0, 0, 0, 90, 90, 90)):
        (tmp_path / "in").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), np.full((20, 30, 3), level, np.uint8))
    done = call("export", tmp_path / "in", "--out", tmp_path / "out", "--every-s", "0.1")
    assert done.returncode == 0, done.stderr
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")} == {
        "images/frame_000000.png",
        "images/frame_000004.png",
    }
    np.testing.assert_array_equal(
        np.asarray(cv2.imread(str(tmp_path / "out" / "images" / "frame_000004.png"))), 90
    )
