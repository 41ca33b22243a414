"""The detector behind its seam, on tiny models and on a fake back end."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from tiny_detector import TINY_NAMES, make_tiny_onnx

from capture.errors import UserError
from capture.frame import Frame, Region
from detection.boxes import fit_letterbox
from detection.cache import user_cache_dir
from detection.darknet import YoloHead
from detection.decode import decode_heads
from detection.detector import DetectorSettings, YoloDetector, find_model, open_detector
from detection.layouts import Layout
from detection.preprocess import DARKNET_GREY, Canvas
from detection.signature import Signature

HEAD = YoloHead(((8.0, 8.0),), 1, 1.0, 32, False)
LAYOUT = Layout(
    lambda outputs, least: decode_heads(outputs, (HEAD,), least), ("monster",), False, DARKNET_GREY
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class OneBoxBackend:
    """Always sees one box of 16x16 around the middle of the second cell of a 64x32 canvas."""

    name = "fake"
    input_size_wh = (64, 32)
    threads = 1

    def __init__(self) -> None:
        self.signature = Signature((), (), {})
        self.seen: list[np.ndarray] = []
        self.closed = False

    def infer(self, images: np.ndarray) -> list[np.ndarray]:
        self.seen.append(images.copy())
        head = np.full((1, 1, 2, 6), -9, np.float32)
        head[0, 0, 1] = [0, 0, np.log(2), np.log(2), 5, 5]
        return [head]

    def close(self) -> None:
        self.closed = True


def make_frame(width: int, height: int, channels: int = 3, seed: int = 0) -> Frame:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Frame(pixels, 7, 3, Region(0, 0, width, height))


def make_detector(settings: DetectorSettings | None = None) -> tuple[YoloDetector, OneBoxBackend]:
    backend = OneBoxBackend()
    return YoloDetector(backend, LAYOUT, settings or DetectorSettings()), backend


@pytest.mark.parametrize(
    ("size_wh", "expected"),
    [
        ((64, 32), [40, 8, 56, 24]),
        ((128, 64), [80, 16, 112, 48]),
        ((64, 64), [48, 16, 64, 48]),  # 16 grey columns at the left; cut at the right edge
        ((128, 32), [80, 0, 112, 32]),  # 8 grey rows above
    ],
)
def test_boxes_come_back_in_pixels_of_the_frame(size_wh: tuple[int, int], expected: list[int]) -> None:
    detector, _ = make_detector()
    found = detector.detect(make_frame(*size_wh))
    np.testing.assert_allclose(found.xyxy_px, [expected], atol=1e-3)
    assert found.class_id.tolist() == [0]


def test_a_frame_of_the_networks_size_reaches_it_untouched() -> None:
    detector, backend = make_detector()
    frame = make_frame(64, 32)
    detector.detect(frame)
    np.testing.assert_array_equal(backend.seen[0][0], frame.pixels)
    assert detector.preprocess(frame).base is not None  # a view, no copy


def test_bgra_frames_give_what_bgr_frames_give() -> None:
    detector, backend = make_detector()
    for width, height in ((64, 32), (128, 80)):
        frame = make_frame(width, height, 4)
        detector.detect(frame)
        detector.detect(Frame(frame.pixels[..., :3].copy(), 0, 0, frame.region))
        np.testing.assert_array_equal(backend.seen[-1], backend.seen[-2])


def test_the_padding_is_grey_again_after_a_frame_of_another_shape() -> None:
    canvas = Canvas((64, 32))
    canvas.place(make_frame(128, 64))
    placed = canvas.place(make_frame(32, 32))
    letterbox = fit_letterbox((32, 32), (64, 32))
    left = letterbox.offset_xy[0]
    assert left == 16
    assert np.all(placed[:, :, :left] == DARKNET_GREY)
    assert np.all(placed[:, :, left + 32 :] == DARKNET_GREY)


def test_frames_of_changing_sizes_are_each_mapped_by_their_own_letterbox() -> None:
    detector, _ = make_detector()
    for size_wh in ((128, 64), (64, 32), (256, 128), (64, 32)):
        scale = size_wh[0] / 64
        found = detector.detect(make_frame(*size_wh))
        np.testing.assert_allclose(found.xyxy_px[0], np.array([40, 8, 56, 24]) * scale, atol=1e-3)


def test_an_unsure_box_is_not_reported() -> None:
    detector, _ = make_detector(DetectorSettings(confidence=0.999))
    assert len(detector.detect(make_frame(64, 32))) == 0


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_cfg_and_names_are_read_from_the_onnx_alone(tmp_path: Path, backend: str) -> None:
    model = make_tiny_onnx(tmp_path / "tiny.onnx")
    detector = open_detector(DetectorSettings(model=str(model), backend=backend, confidence=0.0))
    assert detector.class_names == TINY_NAMES
    assert detector.input_size_wh == (64, 32)
    assert detector.precision == "fp32"
    found = detector.detect(make_frame(100, 50))
    assert 1 <= len(found) <= 4
    assert np.all(np.diff(found.confidence) <= 0)
    detector.close()


def test_both_back_ends_see_the_same(tmp_path: Path) -> None:
    model = str(make_tiny_onnx(tmp_path / "tiny.onnx"))
    one, other = (
        open_detector(DetectorSettings(model=model, backend=backend, confidence=0.0, threads=1))
        for backend in ("openvino", "onnx")
    )
    for seed in range(3):
        a, b = one.detect(make_frame(128, 64, 4, seed)), other.detect(make_frame(128, 64, 4, seed))
        np.testing.assert_allclose(a.xyxy_px, b.xyxy_px, atol=1e-2)
        np.testing.assert_allclose(a.confidence, b.confidence, atol=1e-4)


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_read_only_frames_of_the_networks_size_are_fine(tmp_path: Path, backend: str) -> None:
    model = str(make_tiny_onnx(tmp_path / "tiny.onnx"))
    detector = open_detector(DetectorSettings(model=model, backend=backend, confidence=0.0))
    frame = make_frame(64, 32)
    expected = detector.detect(frame)
    frame.pixels.flags.writeable = False
    np.testing.assert_array_equal(detector.detect(frame).xyxy_px, expected.xyxy_px)


def test_the_number_of_threads_is_obeyed(tmp_path: Path) -> None:
    model = str(make_tiny_onnx(tmp_path / "tiny.onnx"))
    detector = open_detector(DetectorSettings(model=model, backend="openvino", threads=1))
    assert detector.backend.threads == 1


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize(
    "content", [b"MZ\x90\x00 not a model", b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_a_file_that_is_no_onnx_is_refused_in_one_line(
    tmp_path: Path, backend: str, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"expected an ONNX model in .*junk\.onnx") as caught:
        open_detector(DetectorSettings(model=str(path), backend=backend))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # the runtimes print nothing of their own either


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_an_onnx_that_no_decoder_knows_is_refused_with_its_shapes(tmp_path: Path, backend: str) -> None:
    path = make_tiny_onnx(tmp_path / "foreign.onnx", {})
    shapes = r"foreign\.onnx: input uint8 \(1, 32, 64, 3\), output float32 \(1, 1, 2, 14\), no `names`; known"
    with pytest.raises(UserError, match=shapes) as caught:
        open_detector(DetectorSettings(model=str(path), backend=backend))
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_told_what_converts_it(tmp_path: Path) -> None:
    path = tmp_path / "yolov4.weights"
    path.write_bytes(b"0" * 64)
    with pytest.raises(UserError, match=r"run_aimbot\.py convert onnx"):
        find_model(str(path))


def test_a_mistyped_model_is_told_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detection.detector.model_names", lambda: ["doom-nano", "doom-tiny"])
    with pytest.raises(UserError, match=r"doom-nano, doom-tiny.*did you mean doom-tiny\?"):
        find_model("doom-tinny")


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    path = make_tiny_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(UserError, match=r"onnxruntime: pip install 'local-aim-assistant\[onnx\]'"):
        open_detector(DetectorSettings(model=str(path), backend="onnx"))


def test_the_cache_lies_where_each_platform_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert user_cache_dir("linux") == Path("/x/local-aim-assistant")
    assert "Library" in user_cache_dir("darwin").parts
    assert "AppData" in user_cache_dir("win32").parts


@pytest.mark.parametrize(("name", "most_mib"), [("doom-nano", 2), ("doom-tiny", 7)])
def test_the_shipped_models_are_small_complete_and_int8(name: str, most_mib: int) -> None:
    assert find_model(name).stat().st_size < most_mib * 2**20
    detector = open_detector(DetectorSettings(model=name))
    assert detector.class_names == ("monster",)
    assert detector.input_size_wh == (640, 480)
    assert detector.precision == "int8"
    blank = Frame(np.full((480, 640, 4), 90, np.uint8), 0, 0, Region(0, 0, 640, 480))
    assert len(detector.detect(blank)) == 0
