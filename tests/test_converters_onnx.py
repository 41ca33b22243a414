"""Darknet to the deploy ONNX, on a small cfg that has every kind of layer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_detector import TINY_CFG, TINY_NAMES, expose_heads

from capture.errors import UserError
from converters import onnx as converter
from converters.export import export_graph
from converters.onnx import convert_onnx, write_metadata
from detection.backends.onnx import OnnxBackend
from detection.backends.openvino import OpenVinoBackend
from detection.darknet import DarknetConfig, parse_cfg, read_cfg
from detection.weights import Convolution, save_weights

pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras saving
]


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


def test_the_graph_takes_captured_pixels_and_gives_boxes(converted: Path) -> None:
    model = onnx.load(converted)
    assert [value.name for value in model.graph.input] == ["images"]
    tensor = model.graph.input[0].type.tensor_type
    assert tensor.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_value for dim in tensor.shape.dim] == [1, 64, 96, 3]
    outputs = {
        output.name: [dim.dim_value for dim in output.type.tensor_type.shape.dim]
        for output in model.graph.output
    }
    assert outputs == {"detections": [1, 4 * 6 + 2 * 8 * 12, 6]}  # fewer cells than 300


def test_the_graph_is_clean(converted: Path) -> None:
    kinds = [node.op_type for node in onnx.load(converted).graph.node]
    assert kinds.count("Conv") == len(read_cfg(CFG).kernels)
    assert kinds.count("Resize") == 1
    assert not {"BatchNormalization", "Tile", "Pad"} & set(kinds)
    assert kinds.count("TopK") == 1


def test_no_shape_depends_on_the_picture(converted: Path) -> None:
    """TensorRT and CUDA graphs want it so."""
    model = onnx.shape_inference.infer_shapes(onnx.load(converted), strict_mode=True, data_prop=True)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.value_info
    }
    assert shapes.keys() >= {node.output[0] for node in model.graph.node} - {"detections"}
    assert all(0 not in shape for shape in shapes.values())


def test_the_metadata_makes_the_file_complete(converted: Path) -> None:
    metadata = {prop.key: prop.value for prop in onnx.load(converted).metadata_props}
    assert metadata["darknet_cfg"] == CFG.read_text()
    assert metadata["class_names"] == "imp\nzombie"
    assert metadata["producer"] == "local-aim-assistant"
    assert metadata["precision"] == "fp32"


def test_both_back_ends_run_it_alike(converted: Path, tmp_path: Path) -> None:
    heads = expose_heads(converted, tmp_path / "heads.onnx")
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    one, other = (backend(heads).infer(images) for backend in (OpenVinoBackend, OnnxBackend))
    assert [head.shape for head in one] == [(1, 1, 7, 24), (1, 2, 7, 96)]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(np.abs(b).max()))


def test_names_that_do_not_fit_the_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected 2 class names, got 1"):
        convert_onnx(CFG, None, ["imp"], tmp_path / "out.onnx")


def test_a_graph_that_computes_something_else_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_wrong(config: DarknetConfig, convolutions: dict[int, Convolution]) -> onnx.ModelProto:
        wrong = {index: replace(layer, bias=layer.bias + 1) for index, layer in convolutions.items()}
        return export_graph(config, wrong)

    monkeypatch.setattr(converter, "export_graph", export_wrong)
    with pytest.raises(UserError, match="expected the ONNX and its cfg's network to agree"):
        convert_onnx(CFG, None, NAMES, tmp_path / "out.onnx")
    assert not any(tmp_path.glob("*.onnx"))


def test_a_network_with_one_head_is_converted(tmp_path: Path) -> None:
    cfg = tmp_path / "one.cfg"
    cfg.write_text(TINY_CFG)
    model = onnx.load(convert_onnx(cfg, None, TINY_NAMES, tmp_path / "one.onnx"))
    assert [node.op_type for node in model.graph.node].count("Concat") == 2  # of corners, and of columns


def test_metadata_is_replaced_key_by_key(converted: Path) -> None:
    model = onnx.load(converted)
    write_metadata(model, {"precision": "int8"})
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert metadata["precision"] == "int8"
    assert metadata["class_names"] == "imp\nzombie"


@pytest.mark.parametrize("name", ["small.weights.h5", "small.keras"])
def test_what_keras_saved_gives_the_same_graph_as_darknets_file(tmp_path: Path, name: str) -> None:
    from detection.network import build_network

    config = read_cfg(CFG)
    network = build_network(config)
    (network.save_weights if name.endswith(".h5") else network.save)(tmp_path / name)
    save_weights(network, config, tmp_path / "small.weights")
    made = [
        onnx.load(convert_onnx(CFG, tmp_path / file, NAMES, tmp_path / "out.onnx"))
        for file in (name, "small.weights")
    ]
    assert made[0] == made[1]


def test_what_keras_did_not_save_of_this_network_is_refused(tmp_path: Path) -> None:
    from detection.network import build_network

    tiny = tmp_path / "tiny.weights.h5"
    build_network(parse_cfg(TINY_CFG)).save_weights(tiny)
    junk = [tmp_path / "junk.weights.h5", tmp_path / "junk.keras"]
    for path in junk:
        path.write_bytes(b"junk")
    for path in (tiny, *junk, tmp_path / "missing.keras"):
        with pytest.raises(
            UserError, match="expected weights that Keras saved of this cfg's network"
        ) as caught:
            convert_onnx(CFG, path, NAMES, tmp_path / "out.onnx")
        assert "\n" not in str(caught.value)
