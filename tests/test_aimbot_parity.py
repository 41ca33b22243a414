"""`convert onnx --model` and `convert parity`, as a script calls them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_aimbot_cli import assert_mistake, call
from tiny_detector import TINY_CFG, make_tiny_onnx

SURE = ("--backend", "onnx", "--set", "detector.confidence=0.0")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), rng.integers(0, 256, (32, 64, 3), np.uint8))
    return folder


def test_a_reformed_model_agrees_with_its_source_on_the_shipped_recording(tmp_path: Path) -> None:
    raw, out = make_tiny_onnx(tmp_path / "raw.onnx"), tmp_path / "new" / "made.onnx"
    done = call(
        "convert", "onnx", "--model", str(raw), "--nms", "--pixels", "bgra", "--out", str(out), "--json"
    )
    assert json.loads(done.stdout) == {"out": str(out)}, done.stderr
    # Of thousands of boxes of random weights one may overlap another by just as much as suppression allows.
    floors = ("--min-matched", "0.999", "--min-iou", "0.999")
    done = call("convert", "parity", str(raw), str(out), *SURE, *floors, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["frames"] == 480
    assert result["matched"] > 480
    assert max(result["boxes_a"], result["boxes_b"]) - result["matched"] <= 0.001 * result["matched"]
    assert result["a"] == {"model": str(raw), "backend": "onnx", "precision": "fp32", "size": "64x32"}
    assert result["score_difference"]["max"] < 1e-5


@pytest.mark.parametrize("floor", ["--min-matched", "--min-iou"])
def test_models_that_agree_less_than_asked_end_with_code_1(
    tmp_path: Path, pictures: Path, floor: str
) -> None:
    paths = [str(make_tiny_onnx(tmp_path / f"{seed}.onnx", seed=seed)) for seed in (0, 1)]
    done = call("convert", "parity", *paths, "--source", str(pictures), *SURE, floor, "0.99", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["matched_share"] < 0.99
    assert done.stderr.count("error: expected a m") == 1
    assert "at least 0.99, got" in done.stderr


def test_what_cannot_be_compared_is_said_in_one_line(tmp_path: Path, pictures: Path) -> None:
    one = str(make_tiny_onnx(tmp_path / "one.onnx"))
    names = {"darknet_cfg": TINY_CFG, "class_names": "cat\ndog"}
    other = str(make_tiny_onnx(tmp_path / "other.onnx", names))
    done = call("convert", "parity", one, other, "--source", str(pictures))
    assert_mistake(done, "models of the same classes", "imp, zombie", "cat, dog")
    blind = ("--source", str(pictures), "--set", "detector.confidence=1.0")
    assert_mistake(call("convert", "parity", one, one, *blind), "neither found a box", "detector.confidence")
    (tmp_path / "empty").mkdir()
    assert_mistake(call("convert", "parity", one, one, "--source", str(tmp_path / "empty")), "empty")
    assert_mistake(call("convert", "parity", one, "doom-nan"), "did you mean doom-nano?")


def test_one_source_of_a_graph_is_wanted(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out.onnx"))
    assert_mistake(call("convert", "onnx", *out), "expected --cfg")
    assert_mistake(call("convert", "onnx", "--model", "doom-nano", "--iou", "0.5", *out), "expected --nms")
    assert_mistake(
        call("convert", "onnx", "--model", "doom-nano", "--cfg", "a.cfg", *out),
        "got --model with --cfg; leave one",
    )
    assert_mistake(call("convert", "onnx", "--weights", "a", *out), "got --weights; give one")
    assert not (tmp_path / "out.onnx").exists()


def test_class_names_that_are_missing_or_too_many_are_told(tmp_path: Path) -> None:
    cfg, names = tmp_path / "tiny.cfg", tmp_path / "tiny.names"
    cfg.write_text(TINY_CFG)
    files = ("--cfg", str(cfg), "--names", str(names), "--out", str(tmp_path / "out.onnx"))
    assert_mistake(call("convert", "onnx", *files), "a file of 2 class names at", "tiny.names, found none")
    names.write_text("imp\nzombie\ncow\n")
    assert_mistake(call("convert", "onnx", *files), "expected 2 class names in", "got 3; name another file")
