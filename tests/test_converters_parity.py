"""What each converter makes of the shipped models sees the same boxes in recorded frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aimbot.commands.benchmark import read_frames
from capture.frame import Frame
from converters.darknet import convert_darknet
from converters.decoding import Suppression
from converters.deploy import DeployForm
from converters.heads import run_network
from converters.onnx import convert_onnx, reform_onnx
from converters.parity import compare_detectors
from detection.darknet import DarknetConfig, read_cfg
from detection.detector import BackendName, DetectorSettings, YoloDetector, find_model, open_detector
from detection.layouts import recognise
from detection.signature import Signature, Tensor
from detection.weights import load_weights

CONFIDENCE = 0.1


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Frames of the shipped recording in which there are monsters."""
    detector = open_model("doom-nano")
    busy = [frame for frame in read_frames(None)[::4] if len(detector.detect(frame))]
    assert len(busy) >= 8
    return busy[:8]


def open_model(model: str | Path, backend: BackendName = "openvino") -> YoloDetector:
    return open_detector(DetectorSettings(model=str(model), backend=backend, confidence=CONFIDENCE))


def assert_agrees(
    agreement: dict[str, Any], least_iou: float, most_difference: float, least_matched: float = 1.0
) -> None:
    assert agreement["boxes_a"] >= agreement["frames"] / 2
    assert agreement["matched_share"] >= least_matched
    assert agreement["iou"]["mean"] > least_iou
    assert agreement["score_difference"]["max"] < most_difference


@pytest.mark.parametrize("model", ["doom-nano", "doom-tiny"])
def test_a_shipped_int8_model_sees_alike_in_both_back_ends(model: str, frames: list[Frame]) -> None:
    agreement = compare_detectors(open_model(model), open_model(model, "onnx"), frames)
    assert_agrees(agreement, 0.95, 0.05, 0.9)  # each runtime has its own INT8 arithmetic


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_a_shipped_int8_model_sees_alike_in_every_form(
    backend: BackendName, frames: list[Frame], tmp_path: Path
) -> None:
    rule = Suppression(DetectorSettings().iou, 0.01, 100)
    for form in (DeployForm(), DeployForm("bgra"), DeployForm(suppression=rule)):
        path = reform_onnx(find_model("doom-nano"), tmp_path / "form.onnx", form)
        agreement = compare_detectors(open_model("doom-nano", backend), open_model(path, backend), frames)
        assert_agrees(agreement, 0.9999, 1e-4)


class KerasBackend:
    """The cfg's Keras network behind the detector's seam: raw heads, to be decoded by NumPy."""

    name = "keras"
    threads = 0

    def __init__(self, config: DarknetConfig, weights: Path, class_names: str) -> None:
        from detection.network import build_network

        self._network = build_network(config)
        load_weights(self._network, config, weights)
        size = (config.height_px, config.width_px)
        self.input_size_wh = size[::-1]
        heads = [Tensor("float32", tuple(output.shape)) for output in self._network.outputs]
        metadata = {"darknet_cfg": config.text, "class_names": class_names}
        self.signature = Signature((Tensor("uint8", (1, *size, 3)),), tuple(heads), metadata)

    def infer(self, images: np.ndarray) -> list[np.ndarray]:
        return run_network(self._network, images)

    def close(self) -> None:
        del self._network


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")
def test_an_fp32_graph_that_decodes_sees_what_keras_and_numpy_see(
    frames: list[Frame], tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    made = convert_darknet(find_model("doom-nano"), tmp_path / "nano.weights")
    weights, names = Path(made["out"]), Path(made["names"]).read_text().strip()
    path = convert_onnx(Path(made["cfg"]), weights, [names], tmp_path / "nano.onnx")
    backend = KerasBackend(read_cfg(Path(made["cfg"])), weights, names)
    settings = DetectorSettings(confidence=CONFIDENCE)
    keras = YoloDetector(backend, recognise(backend.signature, "keras"), settings)
    assert_agrees(compare_detectors(keras, open_model(path), frames), 0.999, 1e-3)
