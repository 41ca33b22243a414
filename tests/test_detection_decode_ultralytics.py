"""Outputs of Ultralytics' layouts to boxes, against a plain loop and against Ultralytics' own boxes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.frame import Frame, Region
from detection.decode import decode_rows
from detection.decode_ultralytics import decode_anchor_free, decode_objectness
from detection.detector import DetectorSettings, YoloDetector
from detection.layouts import recognise
from detection.signature import Signature, Tensor

REFERENCES = Path(__file__).parent / "references"


class StoredBackend:
    """Returns an output that was computed elsewhere."""

    name = "stored"
    threads = 1

    def __init__(self, output: np.ndarray, size_wh: tuple[int, int], metadata: dict[str, str]) -> None:
        self.output, self.input_size_wh = output, size_wh
        image = Tensor("float32", (1, 3, size_wh[1], size_wh[0]))
        self.signature = Signature((image,), (Tensor("float32", output.shape),), metadata)

    def infer(self, images: np.ndarray) -> list[np.ndarray]:
        return [self.output]

    def close(self) -> None:
        pass


@pytest.mark.parametrize("layout", ["objectness", "anchor_free", "suppressed"])
def test_the_boxes_are_those_of_ultralytics_own_code(layout: str) -> None:
    """Made by tools/ultralytics_parity.py --references from a random model's output."""
    stored = np.load(REFERENCES / f"ultralytics_{layout}.npz")
    metadata = {key: str(stored[key]) for key in ("names", "task") if str(stored[key])}
    backend = StoredBackend(stored["output"], tuple(stored["canvas_wh"].tolist()), metadata)
    chosen = {"confidence": float(stored["confidence"]), "iou": float(stored["iou"])}
    detector = YoloDetector(
        backend,
        recognise(backend.signature, layout),
        DetectorSettings(max_detections=int(stored["limit"]), **chosen),
    )
    width, height = stored["frame_wh"].tolist()
    found = detector.detect(Frame(np.zeros((height, width, 3), np.uint8), 0, 0, Region(0, 0, width, height)))
    assert len(found) == len(stored["score"]) >= 10
    # Scores that are nearly equal may change places, so each box looks for the nearest of its class.
    apart = np.abs(found.xyxy_px[:, None] - stored["xyxy_px"][None]).max(axis=2)
    apart[found.class_id[:, None] != stored["class_id"][None]] = np.inf
    apart[np.abs(found.confidence[:, None] - stored["score"][None]) > 1e-3] = np.inf
    assert apart.min(axis=0).max() < 1
    assert apart.min(axis=1).max() < 1


def decode_by_loop(rows: np.ndarray, confidence: float) -> list[tuple[float, ...]]:
    """Rows of x, y, w, h, objectness, classes."""
    found = []
    for x, y, w, h, objectness, *classes in rows.astype(float):
        score = objectness * max(classes)
        if score >= confidence:
            corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            found.append((*corners, score, int(np.argmax(classes))))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_decoding_agrees_with_a_loop(seed: int, classes: int, has_objectness: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0, 1, (40, 5 + classes)).astype(np.float32)
    rows[:, :4] *= 300
    if has_objectness:
        found = decode_objectness([rows[None]], 0.3)
    else:
        rows[:, 4] = 1
        found = decode_anchor_free([np.delete(rows, 4, axis=1).T[None]], 0.3)
    expected = np.array(decode_by_loop(rows, 0.3)).reshape(-1, 6)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.xyxy_px, expected[:, :4], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.confidence, expected[:, 4], rtol=1e-5)
    np.testing.assert_array_equal(found.class_id, expected[:, 5])


def test_boxes_of_a_suppressing_graph_come_best_first_and_without_its_filling() -> None:
    rows = np.array([[0, 0, 8, 8, 0.4, 1], [4, 4, 9, 9, 0.9, 2], [1, 1, 2, 2, 0.1, 0], [0] * 6], np.float32)
    found = decode_rows([rows[None]], 0.0)
    assert found.class_id.tolist() == [2, 1, 0]
    np.testing.assert_array_equal(found.xyxy_px[0], [4, 4, 9, 9])
    assert decode_rows([rows[None]], 0.3).class_id.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("decode", "shape"),
    [(decode_objectness, (1, 9, 8)), (decode_anchor_free, (1, 7, 9)), (decode_rows, (1, 0, 6))],
)
def test_an_empty_scene_gives_empty_arrays_of_the_right_kinds(decode, shape: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    found = decode([np.zeros(shape, np.float32)], 0.2)
    assert found.xyxy_px.shape == (0, 4)
    assert found.xyxy_px.dtype == found.confidence.dtype == np.float32
    assert found.class_id.dtype == np.int32
