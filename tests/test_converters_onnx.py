"""Darknet to the deploy ONNX, on a small cfg that has every kind of layer."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_detector import TINY_CFG, TINY_NAMES

from capture.errors import UserError
from converters.onnx import convert_onnx, write_metadata
from detection.darknet import read_cfg
from detection.detector import DetectorSettings, open_detector

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")


CFG = Path(__file__).parent / "every_layer.cfg"
NAMES = ["imp", "zombie"]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    keras.utils.set_random_seed(0)
    out = tmp_path_factory.mktemp("converted") / "new" / "small.onnx"
    return convert_onnx(CFG, None, NAMES, out)  # it checks itself against Keras


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_graph_takes_captured_pixels_and_gives_raw_heads(converted: Path) -> None:
    model = onnx.load(converted)
    assert [value.name for value in model.graph.input] == ["images"]
    tensor = model.graph.input[0].type.tensor_type
    assert tensor.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_value for dim in tensor.shape.dim] == [1, 64, 96, 3]
    heads = {
        output.name: [dim.dim_value for dim in output.type.tensor_type.shape.dim]
        for output in model.graph.output
    }
    assert heads == {"head_0": [1, 4, 6, 7], "head_1": [1, 8, 12, 14]}


def test_the_graph_is_clean(converted: Path) -> None:
    kinds = [node.op_type for node in onnx.load(converted).graph.node]
    assert kinds.count("Conv") == len(read_cfg(CFG).kernels)
    assert kinds.count("Resize") == 1
    assert not {"BatchNormalization", "Tile", "Reshape", "Pad"} & set(kinds)


def test_the_metadata_makes_the_file_complete(converted: Path) -> None:
    metadata = {prop.key: prop.value for prop in onnx.load(converted).metadata_props}
    assert metadata["darknet_cfg"] == CFG.read_text()
    assert metadata["class_names"] == "imp\nzombie"
    assert metadata["producer"] == "local-aim-assistant"
    assert metadata["precision"] == "fp32"


def test_both_back_ends_run_it_alike(converted: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    one, other = (
        open_detector(DetectorSettings(model=str(converted), backend=backend)).infer(images)
        for backend in ("openvino", "onnx")
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(np.abs(b).max()))


def test_names_that_do_not_fit_the_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected 2 class names .* got 1"):
        convert_onnx(CFG, None, ["imp"], tmp_path / "out.onnx")


def test_a_network_with_one_head_is_converted(tmp_path: Path) -> None:
    cfg = tmp_path / "one.cfg"
    cfg.write_text(TINY_CFG)
    model = onnx.load(convert_onnx(cfg, None, TINY_NAMES, tmp_path / "one.onnx"))
    assert [output.name for output in model.graph.output] == ["head_0"]


def test_metadata_is_replaced_key_by_key(converted: Path) -> None:
    model = onnx.load(converted)
    write_metadata(model, {"precision": "int8"})
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert metadata["precision"] == "int8"
    assert metadata["class_names"] == "imp\nzombie"
