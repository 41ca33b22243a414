"""The back end tensorrt: its buffers and its graph on a fake card, and what it says to those who lack one."""

import sys
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_card import FakeCapability, FakeDriver, FakeTensorRt
from tiny_detector import TINY_CFG, TINY_NAMES, make_tiny_onnx

from capture.errors import UserError
from detection.backends import tensorrt as backend_module
from detection.backends.tensorrt import TensorRtBackend, open_tensorrt
from detection.detector import DetectorSettings, open_detector
from detection.engines import runtimes
from detection.engines.cuda import Card, CudaError
from detection.engines.engine import Engine, EngineKey, write_engine
from detection.engines.runtimes import Runtime, check_card
from detection.signature import Signature, Tensor

METADATA = {"darknet_cfg": TINY_CFG, "class_names": "\n".join(TINY_NAMES), "precision": "int8"}
KEY = EngineKey("0" * 64, "int8", (64, 32), "classic", "8.5.3.1", ("9.0",), "NVIDIA H100")
ENGINE = Engine(
    KEY,
    "tiny.onnx",
    ("images",),
    ("head_0",),
    Signature((Tensor("uint8", (1, 32, 64, 3)),), (Tensor("float32", (1, 1, 2, 14)),), METADATA),
    b"plan",
)
TENSORS = {"images": ("UINT8", (1, 32, 64, 3)), "head_0": ("FLOAT", (1, 1, 2, 14))}


def make_runtime(driver: FakeDriver, tensors: Any = TENSORS, **changes: Any) -> Runtime:
    log = SimpleNamespace(errors=deque(["it is\nbroken"]), warnings=deque())
    runtime = Runtime("classic", "8.5.3.1", 11, FakeTensorRt(driver, tensors), log)
    return replace(runtime, **changes)


def make_rtx(driver: FakeDriver) -> Runtime:
    runtime = make_runtime(driver, name="rtx", version="1.7", cuda_major=13)
    runtime.api.ComputeCapability = FakeCapability
    return runtime


def open_fake(driver: FakeDriver, engine: Engine = ENGINE, tensors: Any = TENSORS) -> TensorRtBackend:
    return TensorRtBackend(engine, make_runtime(driver, tensors), Card(driver))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """A machine with a fake H100 and a fake TensorRT 8.5.3.1."""
    driver = FakeDriver()
    monkeypatch.setattr(backend_module, "open_card", lambda: Card(driver))
    monkeypatch.setattr(backend_module, "load_runtime", lambda name: make_runtime(driver))
    return driver


def test_every_image_gives_its_own_outputs() -> None:
    backend = open_fake(FakeDriver())
    for level in (3, 200, 7):
        (head,) = backend.infer(np.full((1, 32, 64, 3), level, np.uint8))
        assert head.dtype == np.float32
        np.testing.assert_array_equal(head, np.full((1, 1, 2, 14), level))


def test_an_inference_is_one_launch_and_allocates_nothing() -> None:
    driver = FakeDriver()
    backend = open_fake(driver)
    driver.calls.clear()
    backend.infer(np.zeros((1, 32, 64, 3), np.uint8))
    assert driver.calls == ["cuCtxSetCurrent", "cuGraphLaunch", "cuStreamSynchronize"]


def test_another_thread_may_infer() -> None:
    backend = open_fake(FakeDriver())
    heads: list[np.ndarray] = []
    image = np.full((1, 32, 64, 3), 9, np.uint8)
    thread = threading.Thread(target=lambda: heads.extend(backend.infer(image)))
    thread.start()
    thread.join()
    assert heads[0].max() == 9


def test_planes_of_half_floats_are_made_of_the_pixels() -> None:
    planar = Signature((Tensor("float16", (1, 3, 32, 64)),), (Tensor("float16", (1, 1, 2, 14)),), METADATA)
    tensors = {"images": ("HALF", (1, 3, 32, 64)), "head_0": ("HALF", (1, 1, 2, 14))}
    backend = open_fake(FakeDriver(), replace(ENGINE, signature=planar), tensors)
    (head,) = backend.infer(np.full((1, 32, 64, 3), 51, np.uint8))
    assert head.dtype == np.float32
    np.testing.assert_allclose(head, 0.2, atol=1e-3)


def test_closing_frees_all_that_was_taken() -> None:
    driver = FakeDriver()
    backend = open_fake(driver)
    assert driver.memory
    backend.close()
    assert driver.memory == {}
    assert driver.alive == []


def test_a_failing_call_is_named() -> None:
    driver = FakeDriver()
    card = Card(driver)
    driver.cuMemAlloc = lambda size: (2,)  # type: ignore[method-assign]
    with pytest.raises(CudaError, match="cuMemAlloc: 2"):
        card.call("cuMemAlloc", 8)


def test_an_engine_that_does_not_load_is_refused_in_tensorrts_words() -> None:
    with pytest.raises(UserError, match=r"TensorRT 8\.5\.3\.1 cannot load .*tiny\.onnx: it is broken"):
        open_fake(FakeDriver(), replace(ENGINE, plan=b"other"))


def test_an_engine_file_opens_by_itself(here: FakeDriver, tmp_path: Path) -> None:
    path = write_engine(ENGINE, tmp_path / "tiny.engine")
    detector = open_detector(DetectorSettings(model=str(path)))
    assert detector.backend.name == "tensorrt"
    assert detector.precision == "int8"
    assert detector.class_names == TINY_NAMES
    detector.close()
    assert here.alive == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "8.6.1"}, r"was made by TensorRT 8\.6\.1, here is 8\.5\.3\.1"),
        ({"capabilities": ("8.6", "8.9")}, r"was made for compute capability 8\.6, 8\.9, here is 9\.0"),
        ({"gpu": "NVIDIA H200"}, "was made for an NVIDIA H200, here is an NVIDIA H100"),
    ],
)
def test_an_engine_of_another_machine_is_told_how_to_be_made_anew(
    here: FakeDriver, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = write_engine(replace(ENGINE, key=replace(KEY, **change)), tmp_path / "tiny.engine")
    mend = r"`run_aimbot\.py convert tensorrt --model tiny\.onnx --precision int8 --runtime classic"
    with pytest.raises(UserError, match=f"{said}; make another: {mend}"):
        open_tensorrt(path)


def test_a_size_that_the_engine_does_not_have_is_refused(here: FakeDriver, tmp_path: Path) -> None:
    path = write_engine(ENGINE, tmp_path / "tiny.engine")
    with pytest.raises(UserError, match=r"expected detector\.input_px to fit the model"):
        open_tensorrt(path, (128, 128))


def test_a_file_of_another_kind_is_no_engine(here: FakeDriver, tmp_path: Path) -> None:
    path = tmp_path / "plan.engine"
    path.write_bytes(b"ftrt" * 100)
    with pytest.raises(UserError, match=r"convert tensorrt`, .*plan\.engine is another kind of file"):
        open_tensorrt(path)


def test_a_driver_that_is_too_old_is_told_which_is_needed() -> None:
    driver = FakeDriver(capability="8.9", cuda=12040)
    with pytest.raises(UserError, match=r"driver for CUDA 13 \(580 or newer\), this one is for CUDA 12\.4"):
        check_card(make_rtx(driver), Card(driver))


def test_an_engine_is_not_opened_with_a_driver_that_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = FakeDriver(cuda=10020)
    monkeypatch.setattr(backend_module, "open_card", lambda: Card(driver))
    monkeypatch.setattr(backend_module, "load_runtime", lambda name: make_runtime(driver))
    path = write_engine(ENGINE, tmp_path / "tiny.engine")
    with pytest.raises(UserError, match=r"needs an NVIDIA driver for CUDA 11 .*update the driver"):
        backend_module.open_tensorrt(path)


def test_a_card_that_rtx_does_not_know_is_told_which_it_knows() -> None:
    driver = FakeDriver(capability="9.0")
    with pytest.raises(UserError, match=r"TensorRT-RTX 1\.7 \(8\.6, 8\.9, 12\.0\), got 9\.0; .*classic"):
        check_card(make_rtx(driver), Card(driver))


@pytest.mark.parametrize(
    ("installed", "capability", "chosen"),
    [
        ({"rtx", "classic"}, "8.9", "rtx"),
        ({"rtx", "classic"}, "9.0", "classic"),
        ({"classic"}, "8.9", "classic"),
        ({"rtx"}, "9.0", r"TensorRT-RTX 1\.7 does not run on compute capability 9\.0: no classic"),
        (set(), "8.9", "no rtx"),
    ],
)
def test_the_tensorrt_that_knows_the_card_is_taken(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], capability: str, chosen: str
) -> None:
    def load(name: str) -> Runtime:
        if name not in installed:
            raise UserError(f"no {name}")
        return make_rtx(FakeDriver()) if name == "rtx" else make_runtime(FakeDriver())

    monkeypatch.setattr(runtimes, "load_runtime", load)
    if chosen in installed:
        assert runtimes.choose_runtime(capability).name == chosen
    else:
        with pytest.raises(UserError, match=chosen):
            runtimes.choose_runtime(capability)


def test_a_machine_without_a_card_is_told_so() -> None:
    driver = FakeDriver()
    driver.cuInit = lambda flags: (100,)  # type: ignore[method-assign]
    with pytest.raises(
        UserError, match=r"expected an NVIDIA GPU with its driver, found none \(cuInit: 100\)"
    ):
        Card(driver)


def test_a_missing_cuda_package_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    settings = DetectorSettings(model=str(make_tiny_onnx(tmp_path / "tiny.onnx")), backend="tensorrt")
    with pytest.raises(UserError, match=r"cuda-bindings: pip install 'local-aim-assistant\[tensorrt-rtx\]'"):
        open_detector(settings)
