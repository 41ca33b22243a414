"""`convert saved-model` and `convert tf-trt`, as a script calls them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_aimbot_cli import assert_mistake, call
from tiny_detector import TINY_CFG, make_tiny_onnx

from converters.darknet import read_darknet
from detection.weights import write_weights

pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    out = folder / "tiny"
    model = make_tiny_onnx(folder / "tiny.onnx")
    done = call("convert", "saved-model", "--model", str(model), "--out", str(out), "--json")
    assert json.loads(done.stdout) == {"out": str(out)}, done.stderr
    return out


def test_a_saved_model_detects_and_is_measured_like_any_other(saved: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((32, 64, 3), np.uint8))
    done = call("detect", str(tmp_path / "0.png"), "--model", str(saved), "--backend", "tensorflow", "--json")
    assert json.loads(done.stdout)["frames"] == 1, done.stderr
    done = call("benchmark", "detector", "--model", str(saved), "--rounds", "2", "--json")
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["backend"], row["precision"], row["size"]) == ("tensorflow", "fp32", "64x32")


@pytest.mark.parametrize(("kind", "out"), [("saved-model", "out"), ("onnx", "out.onnx")])
def test_a_cfg_alone_is_told_to_have_random_weights(kind: str, out: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.cfg").write_text(TINY_CFG)
    weights = tmp_path / "tiny.weights"
    write_weights(weights, read_darknet(make_tiny_onnx(tmp_path / "tiny.onnx")).convolutions.values())
    said = []
    for given in ((), ("--weights", str(weights))):
        done = call(
            "convert", kind, "--cfg", str(tmp_path / "tiny.cfg"), *given, "--out", str(tmp_path / out)
        )
        assert done.returncode == 0, done.stderr
        said.append(f"the weights in {tmp_path / out} are random" in done.stderr)
    assert said == [True, False]


def test_a_cfg_with_its_names_becomes_a_saved_model(tmp_path: Path) -> None:
    (tmp_path / "tiny.cfg").write_text(TINY_CFG)
    (tmp_path / "tiny.names").write_text("imp\nzombie\n")
    files = ("--cfg", str(tmp_path / "tiny.cfg"), "--names", str(tmp_path / "tiny.names"))
    done = call("convert", "saved-model", *files, "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    metadata = json.loads((tmp_path / "out/assets.extra/local-aim-assistant.json").read_text())
    assert metadata["class_names"] == "imp\nzombie"


def test_both_sources_or_neither_are_one_line(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    assert_mistake(
        call("convert", "saved-model", *out), "expected --cfg", "or --model", "got neither; give one"
    )
    both = ("--model", "doom-nano", "--cfg", "a.cfg")
    assert_mistake(call("convert", "saved-model", *both, *out), "got --model with --cfg; leave one out")


def test_tf_trt_without_its_environment_is_one_line(saved: Path, tmp_path: Path) -> None:
    call_it = ("convert", "tf-trt", "--saved-model", str(saved), "--out", str(tmp_path / "out"))
    assert_mistake(call(*call_it, "--precision", "fp16"), "convert tensorrt", "make tf-trt")
    assert_mistake(call(*call_it, "--precision", "int8"), "--calibration with 32 recorded frames or more")
    (tmp_path / "empty").mkdir()
    empty = ("--precision", "int8", "--calibration", str(tmp_path / "empty"))
    assert_mistake(call(*call_it, *empty), "empty")
