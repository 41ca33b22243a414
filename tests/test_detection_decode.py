"""Raw heads to boxes, against a plain loop and against boxes encoded by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.darknet import YoloHead
from detection.decode import decode_heads

ANCHORS = ((10.0, 14.0), (23.0, 27.0), (37.0, 58.0))


def sigmoid(value: float) -> float:
    return 1 / (1 + float(np.exp(-value)))


def decode_by_loop(head: np.ndarray, layout: YoloHead, confidence: float) -> list[tuple[float, ...]]:
    found = []
    _, rows, columns, _ = head.shape
    cells = head.reshape(rows, columns, len(layout.anchors_wh_px), -1)
    for row, column, anchor in np.ndindex(*cells.shape[:3]):
        x, y, w, h, objectness, *classes = cells[row, column, anchor].astype(float)
        width, height = layout.anchors_wh_px[anchor]
        if layout.new_coords:
            width, height = width * (2 * w) ** 2, height * (2 * h) ** 2
            score = objectness * max(classes)
        else:
            x, y = sigmoid(x), sigmoid(y)
            width, height = width * np.exp(w), height * np.exp(h)
            score = sigmoid(objectness) * sigmoid(max(classes))
        if score >= confidence:
            shift = (layout.scale_x_y - 1) / 2
            x = (x * layout.scale_x_y - shift + column) * layout.stride
            y = (y * layout.scale_x_y - shift + row) * layout.stride
            corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append((*corners, score, int(np.argmax(classes))))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1.0, 1.05, 2.0]), st.integers(1, 3))
def test_decoding_agrees_with_darknets_loop(seed: int, new_coords: bool, scale: float, classes: int) -> None:
    rng = np.random.default_rng(seed)
    layouts = [YoloHead(ANCHORS, classes, scale, stride, new_coords) for stride in (32, 16)]
    draw = (lambda shape: rng.uniform(0, 1, shape)) if new_coords else (lambda shape: rng.normal(0, 2, shape))
    heads = [draw((1, *size, 3 * (5 + classes))).astype(np.float32) for size in ((3, 4), (6, 8))]
    found = decode_heads(heads, layouts, 0.3)
    expected = [
        row for head, layout in zip(heads, layouts, strict=True) for row in decode_by_loop(head, layout, 0.3)
    ]
    assert len(found) == len(expected)
    if expected:
        wanted = np.array(expected)
        np.testing.assert_allclose(found.xyxy_px, wanted[:, :4], rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(found.confidence, wanted[:, 4], rtol=1e-4)
        np.testing.assert_array_equal(found.class_id, wanted[:, 5])


def test_a_box_encoded_by_hand_comes_back() -> None:
    layout = YoloHead(ANCHORS, 1, 1.0, 16, False)
    head = np.full((1, 6, 8, 18), -9, np.float32)
    # A box of 46x27 around (72, 40): cell 4, 2 in the middle; the second anchor, twice as wide.
    head[0, 2, 4, 6:12] = [0, 0, np.log(2), 0, 4, 4]
    found = decode_heads([head], [layout], 0.5)
    np.testing.assert_allclose(found.xyxy_px, [[72 - 23, 40 - 13.5, 72 + 23, 40 + 13.5]], rtol=1e-5)
    np.testing.assert_allclose(found.confidence, [sigmoid(4) ** 2], rtol=1e-5)


def test_an_empty_scene_gives_empty_arrays_of_the_right_kinds() -> None:
    found = decode_heads(
        [np.full((1, 2, 2, 18), -9, np.float32)], [YoloHead(ANCHORS, 1, 1.0, 32, False)], 0.2
    )
    assert found.xyxy_px.shape == (0, 4)
    assert found.xyxy_px.dtype == found.confidence.dtype == np.float32
    assert found.class_id.dtype == np.int32


@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_wild_heads_overflow_nothing(value: float) -> None:
    found = decode_heads(
        [np.full((1, 2, 2, 18), value, np.float32)], [YoloHead(ANCHORS, 1, 1.0, 32, False)], 0.2
    )
    assert np.all(np.isfinite(found.xyxy_px))
