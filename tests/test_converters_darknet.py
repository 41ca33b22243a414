"""Our ONNX back to Darknet: the heads of the round trip agree with those that it began with."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from tiny_detector import TINY_CFG, TINY_NAMES, expose_heads, make_tiny_onnx

from capture.errors import UserError
from converters import int8
from converters.darknet import convert_darknet
from converters.onnx import convert_onnx
from detection.darknet import read_cfg
from detection.detector import find_model
from detection.weights import count_values, read_values, split_values, write_weights
from tools.darknet_parity import random_convolutions

CFG = Path(__file__).parent / "every_layer.cfg"
NAMES = ["imp", "zombie"]


def run_heads(path: Path, images: np.ndarray) -> list[np.ndarray]:
    heads = expose_heads(path, path.with_suffix(".heads.onnx"))
    session = onnxruntime.InferenceSession(str(heads), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})


def make_image(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)


def largest_difference(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deploy ONNX of the cfg with every layer, with batch norms that do something."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("fp32")
    write_weights(folder / "random.weights", random_convolutions(read_cfg(CFG), seed=1))
    return convert_onnx(CFG, folder / "random.weights", NAMES, folder / "model.onnx")


@pytest.fixture(scope="module")
def quantized(fp32: Path) -> Path:
    model = int8.load_fp32(fp32)
    images = [make_image(96, 64)] * 2
    out = fp32.with_name("int8.onnx")
    scheme = int8.default_scheme(model)
    onnx.save(int8.calibrate(model, images, "minmax", scheme).quantize(scheme), out)
    return out


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")
def test_fp32_to_darknet_and_back_gives_the_same_heads(fp32: Path, tmp_path: Path) -> None:
    result = convert_darknet(fp32, tmp_path / "new" / "back.weights")
    assert result["convolutions"] == len(read_cfg(CFG).kernels)
    assert Path(result["cfg"]).read_text() == CFG.read_text()
    assert Path(result["names"]).read_text() == "imp\nzombie\n"
    again = convert_onnx(Path(result["cfg"]), Path(result["out"]), NAMES, tmp_path / "again.onnx")
    images = make_image(96, 64)
    assert largest_difference(run_heads(again, images), run_heads(fp32, images)) < 1e-5


def test_int8_gives_the_kernels_that_it_multiplies_by(fp32: Path, quantized: Path, tmp_path: Path) -> None:
    config = read_cfg(CFG)
    pairs = []
    for name, model in (("fp32", fp32), ("int8", quantized)):
        convert_darknet(model, tmp_path / f"{name}.weights")
        pairs.append(split_values(read_values(tmp_path / f"{name}.weights"), config))
    differ = 0
    for index, before in pairs[0].items():
        after = pairs[1][index]
        np.testing.assert_array_equal(after.bias, before.bias)
        step = 2 * np.abs(before.kernel).max(axis=(1, 2, 3), keepdims=True) / 127  # a pair shares the range
        assert np.all(np.abs(after.kernel - before.kernel) <= step / 2 + 1e-7)
        differ += not np.array_equal(after.kernel, before.kernel)
    assert differ == len(config.kernels) - len(config.head_convolutions)  # the heads stay in float


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")
def test_int8_to_darknet_and_back_differs_by_the_activations_alone(
    fp32: Path, quantized: Path, tmp_path: Path
) -> None:
    convert_darknet(quantized, tmp_path / "back.weights")
    again = convert_onnx(CFG, tmp_path / "back.weights", NAMES, tmp_path / "again.onnx")
    # The same int8 weights with the activations in float: all Q/DQ pairs on activations taken out.
    model = onnx.load(quantized)
    pairs = {n.input[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    exact = {
        pairs[n.output[0]].output[0]: n.input[0] for n in model.graph.node if n.op_type == "QuantizeLinear"
    }
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear":
            node.input[:] = [exact.get(name, name) for name in node.input]
    onnx.save(model, tmp_path / "float_activations.onnx")
    images = make_image(96, 64)
    heads = run_heads(again, images)
    assert largest_difference(heads, run_heads(tmp_path / "float_activations.onnx", images)) < 1e-5
    assert 1e-4 < largest_difference(heads, run_heads(quantized, images)) < 0.1


def test_a_layer_with_a_norm_comes_back_with_one_that_changes_nothing(fp32: Path, tmp_path: Path) -> None:
    convert_darknet(fp32, tmp_path / "a.weights")
    first = split_values(read_values(tmp_path / "a.weights"), read_cfg(CFG))[0]
    assert first.norm is not None
    gamma, mean, variance = first.norm
    assert np.all(gamma / np.sqrt(variance + np.float32(1e-5)) == 1)
    assert not mean.any()


def test_the_first_kernel_comes_back_in_rgb_for_pixels_up_to_one(tmp_path: Path) -> None:
    path = make_tiny_onnx(tmp_path / "tiny.onnx")
    convert_darknet(path, tmp_path / "tiny.weights")
    layer = split_values(read_values(tmp_path / "tiny.weights"), read_cfg(tmp_path / "tiny.cfg"))[0]
    (kernel,) = (numpy_helper.to_array(v) for v in onnx.load(path).graph.initializer)
    np.testing.assert_allclose(layer.kernel, kernel[:, [2, 1, 0]] * 255, rtol=1e-6)
    assert not layer.bias.any()  # the graph has none


def test_the_shipped_model_fills_its_cfg(tmp_path: Path) -> None:
    result = convert_darknet(find_model("doom-tiny"), tmp_path / "doom.weights")
    values = read_values(Path(result["out"]))
    assert len(values) == count_values(read_cfg(Path(result["cfg"])))
    assert np.isfinite(values).all()


def test_files_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"junk")
    with pytest.raises(UserError, match="another kind of file"):
        convert_darknet(junk, tmp_path / "a.weights")
    with pytest.raises(UserError, match="without its cfg and names"):
        convert_darknet(make_tiny_onnx(tmp_path / "foreign.onnx", {}), tmp_path / "a.weights")
    wider = {
        "darknet_cfg": TINY_CFG.replace("size=32", "size=64\npad=1"),
        "class_names": "\n".join(TINY_NAMES),
    }
    with pytest.raises(
        UserError, match=r"expected a kernel of \(14, 3, 64, 64\) in conv_0, .* got \(14, 3, 32"
    ):
        convert_darknet(make_tiny_onnx(tmp_path / "other.onnx", wider), tmp_path / "a.weights")
    with pytest.raises(UserError, match=r"expected --out FILE\.weights"):
        convert_darknet(make_tiny_onnx(tmp_path / "tiny.onnx"), tmp_path / "a.cfg")
    assert not list(tmp_path.glob("a.*"))
