"""Engines that TensorRT-RTX builds without a card, and what the command says where it builds none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fake_card import FakeDriver
from test_aimbot_cli import assert_mistake, call
from test_detection_tensorrt import make_runtime
from tiny_detector import make_tiny_onnx
from tiny_ultralytics import DYNAMIC, PACKAGE, make_linear_onnx

from capture.errors import UserError
from converters import tensorrt as converter
from converters.tensorrt import convert_tensorrt
from detection.detector import find_model
from detection.engines.cuda import Card
from detection.engines.engine import read_engine

AMPERE_AND_ADA = ("8.6", "8.9")


@pytest.fixture
def rtx() -> None:
    pytest.importorskip("tensorrt_rtx")


def convert(model: str, out: Path, **options: Any) -> dict[str, Any]:
    options = {"capabilities": AMPERE_AND_ADA, "cache_dir": out.parent / "cache", "tell": print} | options
    return convert_tensorrt(find_model(model), model, out, **options)


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("model", ["doom-nano", "doom-tiny"])
def test_an_int8_engine_is_built_for_cards_that_are_not_here(tmp_path: Path, model: str) -> None:
    out = tmp_path / "model.engine"
    result = convert(model, out, precision="int8")
    engine = read_engine(out)
    weights = count_quantized_weights(find_model(model))
    halves = convert(model, tmp_path / "half.engine", precision="fp16")
    assert result["compute_capability"] == ["8.6", "8.9"]
    assert engine.key.capabilities == AMPERE_AND_ADA
    assert engine.signature.metadata["precision"] == "int8"
    assert len(engine.plan) > weights
    # The weights are bytes in the one; it has larger kernels, too.
    assert halves["bytes"] - result["bytes"] > 0.25 * weights


def count_quantized_weights(path: Path) -> int:
    return sum(
        int(np.prod(value.dims))
        for value in onnx.load(path).graph.initializer
        if value.data_type == onnx.TensorProto.INT8
    )


@pytest.mark.usefixtures("rtx")
def test_an_engine_is_built_once_and_again_when_its_key_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_tiny_onnx(tmp_path / "tiny.onnx")
    first, second = (convert(str(model), tmp_path / f"{name}.engine") for name in "ab")
    assert (first["built"], second["built"]) == (True, False)
    assert first["precision"] == "fp16"
    assert (tmp_path / "a.engine").read_bytes() == (tmp_path / "b.engine").read_bytes()
    other = convert(str(model), tmp_path / "c.engine", capabilities=("8.9", "8.9"))
    assert (other["built"], other["compute_capability"]) == (True, ["8.9"])
    make_tiny_onnx(model, seed=1)
    assert convert(str(model), tmp_path / "d.engine")["built"]
    assert capsys.readouterr().out.count("building the fp16 engine of") == 3


@pytest.mark.usefixtures("rtx")
def test_a_model_of_any_size_gets_an_engine_of_the_size_it_was_exported_at(tmp_path: Path) -> None:
    path = make_linear_onnx(
        tmp_path / "any.onnx", np.zeros((1, 7, 42), np.float32), input_shape=DYNAMIC, metadata=PACKAGE
    )
    convert(str(path), tmp_path / "any.engine", precision="fp32")
    engine = read_engine(tmp_path / "any.engine")
    assert engine.key.size_wh == (64, 32)
    assert engine.signature.inputs[0].shape == (1, 3, 32, 64)


@pytest.mark.usefixtures("rtx")
def test_a_capability_that_rtx_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(7\.5, 8\.0, 8\.6, .*\), got 9\.0; .* --runtime classic"):
        convert("doom-nano", tmp_path / "x.engine", capabilities=("8.6", "9.0"))


def test_classic_tensorrt_builds_only_for_the_card_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = FakeDriver(capability="9.0")
    monkeypatch.setattr(converter, "open_card", lambda: Card(driver))
    monkeypatch.setattr(converter, "load_runtime", lambda name: make_runtime(driver))
    with pytest.raises(UserError, match=r"expected --compute-capability 9\.0, .*got 8\.6, 8\.9"):
        convert("doom-nano", tmp_path / "x.engine", runtime="classic")


@pytest.mark.parametrize("runtime", ["classic", None])
def test_a_driver_that_is_too_old_is_told_before_an_engine_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str | None
) -> None:
    driver = FakeDriver(cuda=10020)
    monkeypatch.setattr(converter, "open_card", lambda: Card(driver))
    monkeypatch.setattr(converter, "load_runtime", lambda name: make_runtime(driver))
    monkeypatch.setattr(converter, "choose_runtime", lambda capability: make_runtime(driver))
    with pytest.raises(
        UserError, match=r"driver for CUDA 11 .*this one is for CUDA 10\.2; update the driver"
    ):
        convert("doom-nano", tmp_path / "x.engine", capabilities=(), runtime=runtime)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("rtx")
def test_without_a_card_a_capability_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none() -> Card:
        raise UserError("expected an NVIDIA GPU with its driver, found none")

    monkeypatch.setattr(converter, "open_card", find_none)
    with pytest.raises(
        UserError, match=r"found none; `--runtime rtx --compute-capability 8\.6` builds without a card"
    ):
        convert("doom-nano", tmp_path / "x.engine", capabilities=())


@pytest.mark.usefixtures("rtx")
def test_the_command_prints_what_it_made(tmp_path: Path) -> None:
    model = make_tiny_onnx(tmp_path / "tiny.onnx")
    asked = ["convert", "tensorrt", "--model", str(model), "--compute-capability", "8.6"]
    done = call(*asked, "--out", str(tmp_path / "tiny.engine"), "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["out"] == str(tmp_path / "tiny.engine")
    assert made["compute_capability"] == ["8.6"]
    assert made["runtime"].startswith("TensorRT-RTX 1.")
    refused = call(*asked, "--precision", "int8", "--out", str(tmp_path / "x.engine"))
    assert_mistake(refused, "tiny.onnx is fp32", "convert int8")
    assert not (tmp_path / "x.engine").exists()
