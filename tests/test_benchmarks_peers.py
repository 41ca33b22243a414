"""`benchmark peers`, as a script calls it, with the runtimes that happen to be installed."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from test_aimbot_cli import assert_mistake, call
from tiny_detector import TINY_NAMES, make_tiny_onnx

from benchmarks.detector import measure_in_turns
from benchmarks.peer_runtimes import OpenCvBackend
from benchmarks.peers import print_table, wrap
from converters.darknet import read_darknet
from converters.export import export_graph
from converters.onnx import save_model
from detection.darknet import parse_cfg
from detection.detector import DetectorSettings, open_detector
from tools.darknet_parity import random_convolutions

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")

CFG = """[net]
width=64
height=32

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=14
size=16
stride=16
activation=linear

[yolo]
mask=0,1
anchors=8,8, 16,24
classes=2
"""


def make_small_onnx(path: Path) -> Path:
    """The deploy ONNX of CFG, with random weights."""
    config = parse_cfg(CFG)
    model = export_graph(config, dict(zip(config.kernels, random_convolutions(config, seed=1), strict=True)))
    metadata = {"darknet_cfg": CFG, "class_names": "\n".join(TINY_NAMES), "precision": "fp32"}
    onnx.helper.set_model_props(model, metadata)
    return save_model(model, path)


def write_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:02}.png"), rng.integers(0, 256, (32, 64, 3), np.uint8))
    return folder


def test_every_installed_runtime_has_its_rows_and_the_others_their_pip_line(tmp_path: Path) -> None:
    model = make_small_onnx(tmp_path / "small.onnx")
    source = write_pictures(tmp_path / "pictures", 32)
    options = ("--source", str(source), "--rounds", "2", "--threads", "1", "--json")
    done = call("benchmark", "peers", "--model", str(model), *options)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    litert = importlib.util.find_spec("ai_edge_litert") is not None
    assert [(row["backend"], row["precision"]) for row in result["rows"]] == [
        ("openvino", "fp32"),
        ("openvino", "int8"),
        ("onnx", "fp32"),
        ("onnx", "int8"),
        ("tensorflow", "fp32"),
        *([("litert", "fp32"), ("litert", "int8")] if litert else []),
        ("opencv", "fp32"),
    ]
    assert {(row["model"], row["size"], row["threads"]) for row in result["rows"]} == {("small", "64x32", 1)}
    assert result["rounds"] == 2
    assert result["cpu"].endswith(")")
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in result["rows"])
    assert all(row["matched_share"] == 1 for row in result["rows"] if row["precision"] == "fp32")
    reason = "not installed; pip install 'local-aim-assistant[peers]'"
    left_out = {"backend": "litert", "reason": reason}
    assert result["left_out"] == ([] if litert else [left_out])


def test_too_few_frames_are_one_line(tmp_path: Path) -> None:
    model = make_small_onnx(tmp_path / "small.onnx")
    source = write_pictures(tmp_path / "pictures", 3)
    done = call("benchmark", "peers", "--model", str(model), "--source", str(source))
    assert_mistake(done, "expected at least 32 frames to calibrate on, got 3")


def test_opencv_gives_the_heads_that_onnx_runtime_gives(tmp_path: Path) -> None:
    path = make_tiny_onnx(tmp_path / "tiny.onnx")
    source = read_darknet(path)
    heads = save_model(export_graph(source.config, source.convolutions), tmp_path / "heads.onnx")
    ours = open_detector(DetectorSettings(model=str(path), backend="onnx"))
    metadata = dict(ours.backend.signature.metadata)
    peer = wrap(OpenCvBackend(heads, (64, 32), metadata, threads=cv2.getNumThreads()))
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 64, 3), np.uint8)
    (expected,), (got,) = ours.infer(images), peer.infer(images)
    np.testing.assert_allclose(got, expected, atol=1e-4 * float(np.abs(expected).max()))
    assert peer.class_names == ours.class_names
    assert [row["backend"] for row in measure_in_turns([("tiny", ours), ("tiny", peer)], (), 2)] == [
        "onnx",
        "opencv",
    ]


def test_the_table_names_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = [{"backend": "litert", "precision": "int8", "reason": "it [cannot]"}]
    print_table({"rows": [], "left_out": left_out})
    assert "left out: litert int8: it [cannot]" in capsys.readouterr().out
