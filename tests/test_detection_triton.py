"""The back end triton, against a real Triton server: what it sees, what it leaves behind, its refusals."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from test_aimbot_cli import assert_mistake, call
from tiny_detector import TINY_NAMES, make_tiny_onnx
from tiny_ultralytics import DYNAMIC, make_linear_onnx

pytest.importorskip("tritonclient")

from tritonclient.grpc import InferenceServerClient, InferInput

from capture.errors import UserError
from capture.frame import Frame, Region
from converters.triton import convert_triton
from detection.backends.triton import TritonBackend
from detection.detector import DetectorSettings, open_detector
from detection.shared_arrays import FOLDER
from detection.triton_server import TritonServer, parse_url
from tools.triton_server import HOST, REFUSE_SHARED_MEMORY, WHEEL, serve

# A box for a zombie, 40 % sure, whose place hangs on the picture's colour.
BOX = np.array([[[24], [14], [40], [20], [0], [0.4], [0]]], np.float32)


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[bytes]
    port: int
    file: Path  # of the model `tiny`

    def name(self, model: str) -> str:
        return f"triton://{HOST}:{self.port}/{model}"


def find_port() -> int:
    """One that is free now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def start(repository: Path, *options: str) -> Iterator[Served]:
    if not WHEEL.is_dir():
        message = f"the Triton server is not installed in {WHEEL}: make setup-test"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    port = find_port()
    with serve(repository, port, options) as process:
        yield Served(process, port, repository / "tiny" / "1" / "model.onnx")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """It serves `tiny`, `halves` of any size, and three that cannot detect."""
    folder = tmp_path_factory.mktemp("served")
    repository = folder / "repository"
    file = make_tiny_onnx(folder / "tiny.onnx")
    for name in ("tiny", "broken", "nameless", "mistyped"):
        convert_triton(file, name, repository)
    edit(repository / "broken", "onnxruntime", "punchcards")
    edit(repository / "nameless", "class_names", "colours")
    edit(repository / "mistyped", "TYPE_UINT8", "TYPE_INT64")
    halves = make_linear_onnx(
        folder / "halves.onnx", BOX, {(0, 0, 0): (10, 0, 0)}, DYNAMIC, onnx.TensorProto.FLOAT16
    )
    convert_triton(halves, "halves", repository)
    yield from start(repository)


@pytest.fixture
def refusing_server(tmp_path: Path) -> Iterator[Served]:
    """It maps nobody's memory, like one that runs elsewhere."""
    convert_triton(make_tiny_onnx(tmp_path / "tiny.onnx"), "tiny", tmp_path / "repository")
    yield from start(tmp_path / "repository", REFUSE_SHARED_MEMORY)


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "config.pbtxt"
    path.write_text(path.read_text().replace(old, new))


def make_frame(width: int, height: int, channels: int = 3, seed: int = 0) -> Frame:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Frame(pixels, 7, 3, Region(0, 0, width, height))


def list_shared() -> list[str]:
    return [path.name for path in FOLDER.glob("aimbot-*")]


def count_regions(server: Served) -> int:
    with InferenceServerClient(f"{HOST}:{server.port}") as client:
        return len(client.get_system_shared_memory_status().regions)


def assert_sees_the_same(server: Served) -> None:
    settings = DetectorSettings(model=server.name("tiny"), confidence=0.0)
    served = open_detector(settings)
    here = open_detector(settings.model_copy(update={"model": str(server.file), "backend": "openvino"}))
    assert (served.class_names, served.input_size_wh, served.precision) == (TINY_NAMES, (64, 32), "fp32")
    for frame in (make_frame(64, 32), make_frame(100, 50, 4), make_frame(64, 32, seed=1)):
        frame.pixels.flags.writeable = False
        mine, theirs = here.detect(frame), served.detect(frame)
        assert len(mine) > 0
        np.testing.assert_array_equal(theirs.xyxy_px, mine.xyxy_px)
        np.testing.assert_array_equal(theirs.confidence, mine.confidence)
    served.close()
    here.close()


def test_a_served_model_sees_what_its_file_sees_here(server: Served) -> None:
    assert_sees_the_same(server)


def test_pixels_lie_in_memory_that_has_no_name_and_is_let_go_of(server: Served) -> None:
    backend = TritonBackend(server.name("tiny"))
    assert backend.shares_memory
    assert count_regions(server) == 1
    assert list_shared() == []
    outputs = backend.infer(make_frame(64, 32).pixels[None])
    kept = [output.copy() for output in outputs]
    backend.close()
    assert count_regions(server) == 0
    np.testing.assert_array_equal(outputs, kept)  # what was handed out stays readable


@pytest.mark.parametrize("size_wh", [(64, 32), (128, 96)])
def test_a_model_of_halves_and_of_any_size_is_served_too(server: Served, size_wh: tuple[int, int]) -> None:
    detector = open_detector(DetectorSettings(model=server.name("halves"), input_px=size_wh))
    assert detector.input_size_wh == size_wh
    red = np.full((size_wh[1], size_wh[0], 3), (0, 0, 204), np.uint8)
    found = detector.detect(Frame(red, 0, 0, Region(0, 0, *size_wh)))
    np.testing.assert_allclose(found.xyxy_px, [[12, 4, 52, 24]], atol=0.1)
    np.testing.assert_allclose(found.confidence, [0.4], rtol=2e-3)
    detector.close()


def test_without_shared_memory_the_same_boxes_come_in_messages_until_the_server_is_gone(
    refusing_server: Served,
) -> None:
    assert_sees_the_same(refusing_server)
    backend = TritonBackend(refusing_server.name("tiny"))
    assert not backend.shares_memory
    assert list_shared() == []
    refusing_server.process.terminate()
    refusing_server.process.wait(timeout=30)
    address = f"{HOST}:{refusing_server.port}"
    with pytest.raises(UserError, match=rf"^expected a Triton server at {address}, got: .*docs/triton\.md"):
        backend.infer(make_frame(64, 32).pixels[None])
    backend.close()


def test_a_server_that_hangs_is_waited_for_no_longer_than_was_said(server: Served) -> None:
    pixels = make_frame(64, 32).pixels[None]
    backend = TritonBackend(server.name("tiny"), timeout_s=0.2)
    expected = [output.copy() for output in backend.infer(pixels)]
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(UserError, match=r"/tiny to answer within 0\.2 s, got no answer; look whether"):
            backend.infer(pixels)
        with pytest.raises(UserError, match=r"/tiny to answer within 0\.2 s"):
            TritonBackend(server.name("tiny"), timeout_s=0.2)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    backend.close()
    backend = TritonBackend(server.name("tiny"))
    np.testing.assert_array_equal(backend.infer(pixels), expected)
    backend.close()


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("tinny", r"a model of the server .* \(broken, halves, .*\), got 'tinny'; did you mean tiny\?"),
        ("broken", r"/broken to be loaded, the server says: UNAVAILABLE .* backend 'punchcards'"),
        ("nameless", r"class names in the parameters of .*/nameless.*`run_aimbot\.py convert triton`"),
        ("mistyped", r"expected a model of one image, .* got input int64 \(1, 32, 64, 3\)"),
    ],
)
def test_a_model_that_cannot_detect_is_refused_in_one_line(server: Served, model: str, line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        open_detector(DetectorSettings(model=server.name(model)))
    assert "\n" not in str(caught.value)
    assert count_regions(server) == 0


def test_a_size_that_the_model_does_not_have_is_refused(server: Served) -> None:
    with pytest.raises(UserError, match=r"detector\.input_px to fit the model, got \[128, 64\]"):
        open_detector(DetectorSettings(model=server.name("tiny"), input_px=(128, 64)))


def test_what_the_server_does_not_take_is_refused_in_its_words(server: Served) -> None:
    asked = TritonServer(server.name("tiny"), 5.0)
    for shape, kind, line in (
        ((1, 32, 65, 3), "UINT8", r"unexpected shape for input 'images'.*Expected \[1,32,64,3\]"),
        ((1, 32, 64, 3), "FP32", r"'images' data-type is 'FP32', but model 'tiny' expects 'UINT8'"),
    ):
        given = InferInput("images", shape, kind)
        given.set_data_from_numpy(np.zeros(shape, np.uint8 if kind == "UINT8" else np.float32))
        with pytest.raises(UserError, match=r"^expected triton://.*/tiny to take its input.*" + line):
            asked.infer(given, [])
    asked.close()


def test_no_proxy_stands_between(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://{HOST}:9")
    TritonBackend(server.name("tiny")).close()


def test_nobody_at_the_address_is_one_line_on_the_command_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((32, 64, 3), np.uint8))
    address = f"{HOST}:{find_port()}"
    done = call("detect", str(tmp_path), "--model", f"triton://{address}/tiny")
    assert_mistake(done, f"expected a Triton server at {address}", "Connection refused", "docs/triton.md")


def test_the_benchmark_measures_a_served_model_by_its_url(server: Served) -> None:
    url = server.name("tiny")
    done = call("benchmark", "detector", "--model", url, "--rounds", "2", "--json")
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["model"], row["backend"], row["size"]) == (url, "triton", "64x32")


def test_a_url_and_a_backend_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"expected triton://HOST\[:PORT\]/MODEL .*, got doom-nano; docs/trit"
    ):
        open_detector(DetectorSettings(backend="triton"))
    with pytest.raises(UserError, match=r"expected backend triton for triton://pc/tiny, got onnx"):
        open_detector(DetectorSettings(model="triton://pc/tiny", backend="onnx"))


def test_an_address_has_a_host_a_port_and_a_model() -> None:
    assert parse_url("triton://pc/tiny") == ("pc:8001", "tiny")
    assert parse_url("triton://192.168.1.20:9001/doom-nano/") == ("192.168.1.20:9001", "doom-nano")
    assert parse_url("triton://[fd00::1]/tiny") == ("[fd00::1]:8001", "tiny")


@pytest.mark.parametrize(
    "url", ["triton://", "triton://pc", "triton://pc:x/m", "triton:///m", "triton://pc/a/b"]
)
def test_another_form_of_address_is_refused(url: str) -> None:
    with pytest.raises(UserError, match=r"expected triton://HOST\[:PORT\]/MODEL, got triton://"):
        open_detector(DetectorSettings(model=url))


def test_the_missing_client_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tritonclient: pip install 'local-aim-assistant\[triton\]'"):
        open_detector(DetectorSettings(model="triton://pc/tiny"))
