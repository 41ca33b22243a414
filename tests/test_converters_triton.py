"""`convert triton`: a model into the repository of a Triton server."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_aimbot_cli import assert_mistake, call
from test_detection_tensorrt import ENGINE
from tiny_detector import TINY_CFG, make_tiny_onnx

pytest.importorskip("tritonclient")

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from aimbot.commands.models import convert_to_triton
from capture.errors import UserError
from converters.triton import convert_triton
from detection.detector import find_model
from detection.engines.engine import write_engine


def read_config(folder: Path) -> ModelConfig:
    return text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())


def test_a_shipped_model_is_copied_with_its_cfg_and_names_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "new" / "repository"
    done = call("convert", "triton", "--model", "doom-nano", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert "triton://HOST:8001/doom-nano" in done.stdout
    folder = out / "doom-nano"
    assert (folder / "1" / "model.onnx").read_bytes() == find_model("doom-nano").read_bytes()
    config = read_config(folder)
    assert (config.name, config.backend, config.max_batch_size) == ("doom-nano", "onnxruntime", 0)
    assert [(tensor.name, list(tensor.dims)) for tensor in config.input] == [("images", [1, 480, 640, 3])]
    assert [(tensor.name, list(tensor.dims)) for tensor in config.output] == [("detections", [1, 300, 6])]
    assert config.parameters["class_names"].string_value == "monster"
    assert "[yolo]" in config.parameters["darknet_cfg"].string_value


def test_a_served_model_is_replaced(tmp_path: Path) -> None:
    for names in ("imp\nzombie", "cat\ndog"):
        metadata = {"darknet_cfg": TINY_CFG, "class_names": names}
        file = make_tiny_onnx(tmp_path / "tiny.onnx", metadata)
        convert_triton(file, "tiny", tmp_path / "repository")
    folder = tmp_path / "repository" / "tiny"
    assert read_config(folder).parameters["class_names"].string_value == "cat\ndog"
    assert (folder / "1" / "model.onnx").read_bytes() == file.read_bytes()


def test_a_model_file_is_served_by_its_folders_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "imps"
    folder.mkdir()
    make_tiny_onnx(folder / "model.onnx", {"darknet_cfg": TINY_CFG, "class_names": "imp\nzombie"})
    monkeypatch.chdir(folder)
    convert_to_triton("model.onnx", tmp_path / "repository")
    assert [path.name for path in (tmp_path / "repository").iterdir()] == ["imps"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "tiny"
    mine.mkdir()
    file = make_tiny_onnx(tmp_path / "tiny.onnx")
    done = call("convert", "triton", "--model", str(file), "--out", str(tmp_path))
    assert_mistake(done, "expected --out to be a new folder", str(mine))
    assert list(mine.iterdir()) == []
    done = call("convert", "triton", "--model", str(file), "--out", str(file))
    assert_mistake(done, "expected --out to be a folder to write to")


def test_an_engine_becomes_a_plan_if_triton_can_run_it(tmp_path: Path) -> None:
    convert_triton(write_engine(ENGINE, tmp_path / "tiny.engine"), "tiny", tmp_path / "repository")
    folder = tmp_path / "repository" / "tiny"
    assert (folder / "1" / "model.plan").read_bytes() == ENGINE.plan
    assert read_config(folder).backend == "tensorrt"
    rtx = replace(ENGINE, key=replace(ENGINE.key, runtime="rtx"))
    with pytest.raises(UserError, match=r"classic TensorRT, .*`run_aimbot\.py convert tensorrt --runtime cl"):
        convert_triton(write_engine(rtx, tmp_path / "rtx.engine"), "rtx", tmp_path / "repository")


def test_a_model_that_could_not_be_used_is_not_served(tmp_path: Path) -> None:
    foreign = make_tiny_onnx(tmp_path / "foreign.onnx", {})
    with pytest.raises(UserError, match=r"expected outputs that a decoder knows, got foreign\.onnx"):
        convert_triton(foreign, "foreign", tmp_path / "repository")
    with pytest.raises(UserError, match=r"expected a model name, an \.onnx or an \.engine file, got"):
        convert_triton(tmp_path, "folder", tmp_path / "repository")
    assert not (tmp_path / "repository").exists()
