"""What TensorRT is given of a model, and what an engine file says of itself."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_detector import make_tiny_onnx

from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.replay import open_replay
from detection.detector import find_model
from detection.engines import build
from detection.engines.engine import MAGIC, Engine, EngineKey, read_engine, write_engine
from detection.engines.graph import (
    MOVES,
    REACH,
    choose_precision,
    find_precision,
    group_moved,
    to_float,
    to_half,
    to_symmetric,
)
from detection.signature import Signature, Tensor

RECORDING = Path(__file__).parent.parent / "arena" / "recording"
KEY = EngineKey("0" * 64, "int8", (64, 32), "rtx", "1.7.1", ("8.6", "8.9"), "")


@pytest.fixture(scope="module")
def quantized() -> Any:
    return onnx.load(find_model("doom-nano"))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    source = open_replay(RECORDING, paced=False, clock=monotonic_ns)
    frame = source.grab()
    source.close()
    assert frame is not None
    return np.ascontiguousarray(frame.pixels[None, :, :, :3])


def run(model: Any, image: np.ndarray, tensors: str = "head_") -> np.ndarray:
    """The raw heads of a model, or other tensors by how their names begin, in one row.

    It computes in floats between the quantizations. Heads lie inside the graph: what it gives are the best
    boxes, and their order hangs on the last digit.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    made = [name for node in model.graph.node for name in node.output]
    names = [name for name in made if name.startswith(tensors) and "_cast_" not in name]
    given = {value.name for value in model.graph.output}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(
        exposed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run(names, {"images": image})
    return np.concatenate([head.ravel().astype(np.float32) for head in found])


def measure_change(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute difference, as a share of the mean absolute value."""
    return float(np.abs(after - before).mean() / np.abs(before).mean())


def test_every_activation_becomes_int8_around_zero(quantized: Any) -> None:
    before, after = read_ranges(quantized), read_ranges(to_symmetric(quantized))
    assert set(before) - set(after) == {"images_planes"}  # pixels stay as they are
    groups = group_moved(quantized.graph, before)
    for name, (high, zero) in after.items():
        assert zero.dtype == np.int8
        assert zero == 0
        together = [before[other][0] for other in before if groups[other] == groups[name]]
        assert high == pytest.approx(REACH * max(together), rel=1e-4)


def test_what_is_only_moved_is_int8_before_and_behind(quantized: Any) -> None:
    graph = to_symmetric(quantized).graph
    makers = {name: node for node in graph.node for name in node.output}
    moved = [
        makers[node.input[0]]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and makers[node.input[0]].op_type in MOVES
    ]
    assert {node.op_type for node in moved} >= {"Concat", "MaxPool"}
    for node in moved:
        sources = node.input if node.op_type == "Concat" else node.input[:1]
        assert {makers[name].op_type for name in sources} == {"DequantizeLinear"}


def read_ranges(model: Any) -> dict[str, tuple[float, np.ndarray]]:
    """By tensor, the largest value that its quantization holds, and its zero point."""
    values = {value.name: onnx.numpy_helper.to_array(value) for value in model.graph.initializer}
    ranges = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = (values[name] for name in node.input[1:])
            largest = 127 if zero.dtype == np.int8 else max(int(zero), 255 - int(zero))
            ranges[node.input[0]] = float(largest * scale), zero
    return ranges


def test_symmetric_activations_see_almost_the_same(quantized: Any, image: np.ndarray) -> None:
    expected, got = run(quantized, image), run(to_symmetric(quantized), image)
    assert measure_change(expected, got) < 0.08


def test_a_model_without_its_quantization_has_the_same_weights(quantized: Any, image: np.ndarray) -> None:
    floats = to_float(quantized)
    assert {node.op_type for node in floats.graph.node} & {"QuantizeLinear", "DequantizeLinear"} == set()
    assert find_precision(floats) == "fp32"
    expected, got = run(quantized, image), run(floats, image)
    assert measure_change(expected, got) < 0.08  # what rounding the activations had cost


def test_half_floats_take_and_give_what_floats_did(quantized: Any, image: np.ndarray) -> None:
    floats = to_float(quantized)
    halves = to_half(floats)
    assert find_precision(halves) == "fp16"
    assert halves.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert measure_change(run(floats, image), run(halves, image)) < 0.004


def test_boxes_are_decoded_in_floats_where_the_network_computes_in_halves(
    quantized: Any, image: np.ndarray
) -> None:
    halves = to_half(to_float(quantized))
    onnx.checker.check_model(halves)
    rows = run(halves, image, "detections").reshape(-1, 6)
    right = rows[rows[:, 2] > 512, 2]
    assert len(right)
    assert np.any(right % 0.5 != 0)  # a half has no finer steps there


def test_the_model_given_is_left_as_it_was(quantized: Any) -> None:
    before = quantized.SerializeToString()
    to_symmetric(quantized)
    to_float(quantized)
    assert quantized.SerializeToString() == before


def test_int8_stays_int8_and_floats_become_halves(quantized: Any, tmp_path: Path) -> None:
    floats = onnx.load(make_tiny_onnx(tmp_path / "tiny.onnx"))
    assert choose_precision(quantized, None, "nano") == "int8"
    assert choose_precision(quantized, "fp16", "nano") == "fp16"
    assert choose_precision(floats, None, "tiny") == "fp16"
    with pytest.raises(UserError, match=r"tiny is fp32; `run_aimbot\.py convert int8 --model tiny"):
        choose_precision(floats, "int8", "tiny")


def test_an_engine_file_gives_back_what_was_written(tmp_path: Path) -> None:
    signature = Signature(
        (Tensor("uint8", (1, 32, 64, 3)),), (Tensor("float32", (1, None, 6)),), {"a": "b\nc"}
    )
    engine = Engine(KEY, "tiny", ("images",), ("boxes",), signature, bytes(range(256)))
    assert read_engine(write_engine(engine, tmp_path / "new" / "tiny.engine")) == engine


def test_a_damaged_engine_file_is_refused(tmp_path: Path) -> None:
    path = make_tiny_onnx(tmp_path / "tiny.engine")
    with pytest.raises(
        UserError, match=r"made by `run_aimbot\.py convert tensorrt`, .* another kind of file"
    ):
        read_engine(path)
    signature = Signature((Tensor("uint8", (1, 32, 64, 3)),), (Tensor("float32", (1, 9, 6)),), {})
    whole = write_engine(Engine(KEY, "tiny", ("images",), ("boxes",), signature, b"plan"), path).read_bytes()
    cuts = [whole[:size] for size in (len(MAGIC), len(MAGIC) + 40, len(whole) - 1)]
    for damaged in (*cuts, MAGIC + b"{}\nplan", MAGIC + b"[1]\nplan"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"expected a whole engine file, .*tiny\.engine is cut off"):
            read_engine(path)


def test_a_kept_engine_that_is_damaged_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = Signature((Tensor("uint8", (1, 32, 64, 3)),), (Tensor("float32", (1, 9, 6)),), {})
    engine = Engine(KEY, "tiny", ("images",), ("boxes",), signature, b"plan")
    monkeypatch.setattr(build, "build_engine", lambda *_: engine)
    order: Any = SimpleNamespace(title="tiny", key=KEY)
    runtime: Any = SimpleNamespace(name="rtx")
    path, _ = build.find_engine(order, runtime, tmp_path, print)
    path.write_bytes(path.read_bytes()[:-1])
    assert build.find_engine(order, runtime, tmp_path, print) == (path, True)
    assert read_engine(path) == engine
    assert build.find_engine(order, runtime, tmp_path, print) == (path, False)


def test_halves_are_asked_of_what_computes_in_floats_up_to_the_last_convolution() -> None:
    kinds = SimpleNamespace(**{name: name for name in build.COMPUTING})
    api: Any = SimpleNamespace(
        LayerType=kinds,
        DataType=SimpleNamespace(FLOAT="float", HALF="half"),
        BuilderFlag=SimpleNamespace(OBEY_PRECISION_CONSTRAINTS="obey"),
    )
    wanted = [("CAST", "uint8"), ("POOLING", "int8"), ("CONVOLUTION", "float"), ("ACTIVATION", "float")]
    layers = [make_layer(*kind) for kind in (*wanted, ("CONVOLUTION", "float"), ("ELEMENTWISE", "float"))]
    network: Any = SimpleNamespace(num_layers=len(layers), get_layer=lambda index: layers[index])
    flags: list[str] = []
    build._insist_on_halves(network, SimpleNamespace(set_flag=flags.append), api)
    assert flags == ["obey"]
    assert [layer.precision for layer in layers] == [None, None, "half", "half", "half", None]


def make_layer(kind: str, taken: str) -> Any:
    """A layer of TensorRT's that takes one tensor, and nothing as its second."""
    given = [SimpleNamespace(dtype=taken), None]
    return SimpleNamespace(type=kind, num_inputs=2, get_input=lambda index: given[index], precision=None)


def test_each_part_of_a_key_names_another_file() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"model_sha256": "1" * 64},
        {"precision": "fp16"},
        {"size_wh": (32, 64)},
        {"runtime": "classic"},
        {"version": "1.7.2"},
        {"capabilities": ("8.6",)},
        {"gpu": "NVIDIA H100"},
    ]
    assert {field for change in changes for field in change} == set(EngineKey.__slots__)
    assert len({replace(KEY, **change).digest for change in changes}) == len(changes)
