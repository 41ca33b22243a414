"""TF-TRT without a GPU: what it is asked for is checked, and what is missing is said in one line.

Engines are built in the environment of docs/tf-trt.md alone; here a stand-in for TensorFlow's converter
records what it is given.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from tiny_detector import TINY_CFG, TINY_NAMES

from capture.errors import UserError
from capture.frame import Frame, Region
from converters import tftrt
from converters.tftrt import check_environment, convert_tftrt
from detection.saved_model import read_metadata, write_metadata

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")


class FakeConverter:
    """Takes the calls of tf.experimental.tensorrt.Converter in their order, and converts nothing."""

    engines = 1
    made: ClassVar[list["FakeConverter"]]

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.calibrated: list[dict[str, np.ndarray]] = []
        self.built: list[dict[str, np.ndarray]] = []
        self.made.append(self)

    def convert(self, calibration_input_fn: Callable[[], Iterator[Any]] | None) -> Any:
        self.calibrated += calibration_input_fn() if calibration_input_fn else []
        nodes = [SimpleNamespace(op="Cast")] + [SimpleNamespace(op="TRTEngineOp")] * self.engines
        return SimpleNamespace(graph=SimpleNamespace(as_graph_def=lambda: SimpleNamespace(node=nodes)))

    def build(self, input_fn: Callable[[], Iterator[Any]]) -> None:
        self.built += input_fn()

    def save(self, out: str) -> None:
        Path(out).mkdir(exist_ok=True)
        (Path(out) / "saved_model.pb").write_bytes(b"converted")


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> type[FakeConverter]:
    """The stand-in, in a process that seems to have a GPU and TensorRT 8.5.3."""
    import tensorflow as tf

    monkeypatch.setattr(FakeConverter, "made", [], raising=False)
    monkeypatch.setattr(tf.experimental, "tensorrt", SimpleNamespace(Converter=FakeConverter), raising=False)
    monkeypatch.setattr(tftrt, "check_environment", lambda: "8.5.3")
    return FakeConverter


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder that passes for a SavedModel of ours: what is in its graph matters to TensorFlow alone."""
    folder = tmp_path / "saved"
    metadata = {"darknet_cfg": TINY_CFG, "class_names": "\n".join(TINY_NAMES), "precision": "fp32"}
    write_metadata(folder, metadata)
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


def make_frames(count: int) -> list[Frame]:
    rng = np.random.default_rng(1)
    region = Region(0, 0, 64, 32)
    return [Frame(rng.integers(0, 256, (32, 64, 3), np.uint8), n, n, region) for n in range(count)]


def test_int8_is_calibrated_on_the_frames_and_built_for_the_one_input(
    converter: type[FakeConverter], saved: Path, tmp_path: Path
) -> None:
    frames = make_frames(32)
    result = convert_tftrt(saved, "int8", frames, tmp_path / "out")
    (made,) = converter.made
    assert made.options["precision_mode"] == "INT8"
    assert made.options["use_calibration"]
    assert [feed["images"].tolist() for feed in made.calibrated] == [[f.pixels.tolist()] for f in frames]
    assert [feed["images"].shape for feed in made.built] == [(1, 32, 64, 3)]
    assert result == {
        "out": str(tmp_path / "out"),
        "precision": "int8",
        "tensorrt": "8.5.3",
        "engines": 1,
        "frames": 32,
    }
    metadata = read_metadata(tmp_path / "out")
    assert metadata["precision"] == "int8"
    assert metadata["calibration"] == "entropy on 32 frames"
    assert metadata["darknet_cfg"] == TINY_CFG


def test_floats_are_not_calibrated(converter: type[FakeConverter], saved: Path, tmp_path: Path) -> None:
    assert convert_tftrt(saved, "fp16", None, tmp_path / "out")["frames"] == 0
    (made,) = converter.made
    assert (made.options["precision_mode"], made.options["use_calibration"]) == ("FP16", False)
    assert not made.calibrated
    assert "calibration" not in json.loads(
        (tmp_path / "out/assets.extra/local-aim-assistant.json").read_text()
    )


@pytest.mark.parametrize("count", [0, 31])
def test_too_few_frames_are_refused_with_how_many_are_wanted(
    converter: type[FakeConverter], saved: Path, tmp_path: Path, count: int
) -> None:
    with pytest.raises(UserError, match=f"expected at least 32 frames to calibrate on, got {count}"):
        convert_tftrt(saved, "int8", make_frames(count), tmp_path / "out")
    assert not converter.made
    assert not (tmp_path / "out").exists()


def test_a_graph_that_tensorrt_takes_no_part_of_is_refused(
    converter: type[FakeConverter], saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "engines", 0)
    with pytest.raises(UserError, match="expected a graph that TensorRT can run"):
        convert_tftrt(saved, "fp32", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_calibration_goes_with_int8_and_with_nothing_else(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected --calibration with 32 recorded frames or more for int8"):
        convert_tftrt(saved, "int8", None, tmp_path / "out")
    with pytest.raises(
        UserError, match="expected no --calibration, which int8 alone needs, got one for fp16"
    ):
        convert_tftrt(saved, "fp16", make_frames(32), tmp_path / "out")


def test_a_folder_that_is_no_saved_model_of_ours_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a SavedModel folder"):
        convert_tftrt(tmp_path, "fp32", None, tmp_path / "out")
    (saved / "assets.extra" / "local-aim-assistant.json").unlink()
    with pytest.raises(UserError, match="expected a SavedModel made by"):
        convert_tftrt(saved, "fp32", None, tmp_path / "out")


def test_a_tensorflow_without_tftrt_is_told_what_to_use() -> None:
    with pytest.raises(UserError, match=r"got 2\.\d+\.\d+, .*`run_aimbot\.py convert tensorrt`.*make tf-trt"):
        check_environment()


@pytest.mark.parametrize(
    ("loaded", "gpus", "wanted"),
    [
        ((0, 0, 0), 1, r"expected the libraries of TensorRT 8, got none"),
        ((7, 2, 1), 1, r"expected the libraries of TensorRT 8, got 7\.2\.1"),
        ((8, 5, 3), 0, r"expected an NVIDIA GPU with driver 520\.61 or newer"),
    ],
)
def test_what_the_environment_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, loaded: tuple[int, ...], gpus: int, wanted: str
) -> None:
    import tensorflow as tf
    from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils as library

    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: {"is_tensorrt_build": True})
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"] * gpus)
    monkeypatch.setattr(library, "get_linked_tensorrt_version", lambda: (8, 4, 3))
    monkeypatch.setattr(library, "get_loaded_tensorrt_version", lambda: loaded)
    with pytest.raises(UserError, match=wanted):
        check_environment()
