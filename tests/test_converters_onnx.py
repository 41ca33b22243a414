"""Darknet to the deploy ONNX, on a small cfg that has every kind of layer."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from capture.errors import UserError
from capture.frame import Frame, Region
from converters.onnx import convert_onnx, write_metadata
from converters.parity import compare_detectors
from detection.detector import DetectorSettings, open_detector

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")


def conv(filters: int, size: int, stride: int = 1, activation: str = "leaky", norm: int = 1) -> str:
    return (
        f"[convolutional]\nbatch_normalize={norm}\nfilters={filters}\nsize={size}\nstride={stride}\n"
        f"pad=1\nactivation={activation}\n\n"
    )


YOLO = "[yolo]\nmask={mask}\nanchors=10,14, 23,27\nclasses=1\nscale_x_y=1.05\n\n"
CFG = (
    "[net]\nwidth=96\nheight=64\nchannels=3\n\n"
    + conv(8, 3, 2)
    + conv(8, 3, 2, "mish")
    + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n\n"
    + conv(4, 3)
    + "[route]\nlayers=-1,-2\n\n"
    + conv(8, 1)
    + "[shortcut]\nfrom=1\nactivation=linear\n\n"
    + "[maxpool]\nsize=2\nstride=2\n\n"
    + conv(8, 3, 2)
    + conv(12, 3, 2)
    + conv(6, 1, activation="linear", norm=0)
    + YOLO.format(mask=1)
    + "[route]\nlayers=-3\n\n[upsample]\nstride=2\n\n[route]\nlayers=-1,8\n\n"
    + conv(6, 1, activation="linear", norm=0)
    + YOLO.format(mask=0)
)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    cfg = folder / "small.cfg"
    cfg.write_text(CFG)
    import keras

    keras.utils.set_random_seed(0)
    return convert_onnx(
        cfg, None, ["monster"], folder / "new" / "small.onnx"
    )  # it checks itself against Keras


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
    assert heads == {"head_0": [1, 2, 3, 6], "head_1": [1, 4, 6, 6]}


def test_the_graph_is_clean(converted: Path) -> None:
    kinds = [node.op_type for node in onnx.load(converted).graph.node]
    assert kinds.count("Conv") == 8
    assert kinds.count("Resize") == 1
    assert not {"BatchNormalization", "Tile", "Reshape", "Pad"} & set(kinds)


def test_the_metadata_makes_the_file_complete(converted: Path) -> None:
    metadata = {prop.key: prop.value for prop in onnx.load(converted).metadata_props}
    assert metadata["darknet_cfg"] == CFG
    assert metadata["class_names"] == "monster"
    assert metadata["producer"] == "local-aim-assistant"
    assert metadata["precision"] == "fp32"


def test_both_back_ends_run_it_alike(converted: Path) -> None:
    one, other = (
        open_detector(DetectorSettings(model=str(converted), backend=backend, confidence=0.0, iou=1.0))
        for backend in ("openvino", "onnx")
    )
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    agreement = compare_detectors(one, other, [Frame(pixels, 0, 0, Region(0, 0, 96, 64))])
    assert agreement["boxes_a"] == 30
    assert agreement["matched_share"] == 1
    assert agreement["score_difference"]["max"] < 1e-4


def test_names_that_do_not_fit_the_classes_are_refused(tmp_path: Path) -> None:
    cfg = tmp_path / "small.cfg"
    cfg.write_text(CFG)
    with pytest.raises(UserError, match=r"expected 1 class names .* got 2"):
        convert_onnx(cfg, None, ["imp", "zombie"], tmp_path / "out.onnx")


def test_metadata_is_replaced_key_by_key(converted: Path) -> None:
    model = onnx.load(converted)
    write_metadata(model, {"precision": "int8"})
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert metadata["precision"] == "int8"
    assert metadata["class_names"] == "monster"
