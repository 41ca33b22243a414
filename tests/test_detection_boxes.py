"""Box geometry, by its properties."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detection import boxes

coordinate = st.floats(0, 500, width=32)
sizes_wh = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@st.composite
def boxes_xyxy(draw: st.DrawFn, most: int = 12) -> boxes.Boxes:
    """Up to `most` boxes of at least one pixel."""
    count = draw(st.integers(0, most))
    corner = draw(arrays(np.float32, (count, 2), elements=coordinate))
    size = draw(arrays(np.float32, (count, 2), elements=st.floats(1, 200, width=32)))
    return np.concatenate((corner, corner + size), axis=1)


@given(boxes_xyxy())
def test_xyxy_survives_the_way_to_xywh_and_back(xyxy: boxes.Boxes) -> None:
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(xyxy)), xyxy, atol=1e-3)


@given(boxes_xyxy(), boxes_xyxy())
def test_iou_is_symmetric_and_lies_between_nothing_and_all(a: boxes.Boxes, b: boxes.Boxes) -> None:
    iou = boxes.compute_iou(a, b)
    assert iou.shape == (len(a), len(b))
    np.testing.assert_allclose(iou, boxes.compute_iou(b, a).T, atol=1e-6)
    assert np.all((iou >= 0) & (iou <= 1 + 1e-6))


@given(boxes_xyxy())
def test_a_box_overlaps_itself_wholly(xyxy: boxes.Boxes) -> None:
    np.testing.assert_allclose(np.diag(boxes.compute_iou(xyxy, xyxy)), 1, atol=1e-4)


def test_iou_of_half_shifted_squares_is_a_third() -> None:
    a, b = np.array([[0, 0, 10, 10]], np.float32), np.array([[5, 0, 15, 10]], np.float32)
    np.testing.assert_allclose(boxes.compute_iou(a, b), 1 / 3, rtol=1e-6)


@given(boxes_xyxy(), sizes_wh)
def test_clipped_boxes_lie_inside_the_image(xyxy: boxes.Boxes, size_wh: boxes.SizeWH) -> None:
    clipped = boxes.clip_boxes(xyxy, size_wh)
    assert np.all(clipped >= 0)
    assert np.all(clipped <= np.array([*size_wh, *size_wh]))
    assert np.all(clipped[:, 2:] >= clipped[:, :2])


@given(sizes_wh, sizes_wh)
def test_a_letterboxed_image_lies_inside_the_canvas_and_touches_two_of_its_edges(
    size_wh: boxes.SizeWH, canvas_wh: boxes.SizeWH
) -> None:
    letterbox = boxes.fit_letterbox(size_wh, canvas_wh)
    for inner, canvas, offset in zip(letterbox.inner_wh, canvas_wh, letterbox.offset_xy, strict=True):
        assert 1 <= inner <= canvas
        assert 0 <= offset <= canvas - inner
    assert letterbox.inner_wh[0] == canvas_wh[0] or letterbox.inner_wh[1] == canvas_wh[1]


@given(boxes_xyxy(), sizes_wh, sizes_wh)
def test_boxes_return_from_the_canvas_where_they_were(
    xyxy: boxes.Boxes, size_wh: boxes.SizeWH, canvas_wh: boxes.SizeWH
) -> None:
    letterbox = boxes.fit_letterbox(size_wh, canvas_wh)
    back = boxes.canvas_to_image(boxes.image_to_canvas(xyxy, letterbox), letterbox)
    # Half the canvas as an offset costs float32 digits, in canvas pixels.
    np.testing.assert_allclose(back, xyxy, atol=1e-3 * max(1, *(1 / scale for scale in letterbox.scale_xy)))


@given(boxes_xyxy(), st.floats(0.1, 0.9), st.integers(1, 6))
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(
    xyxy: boxes.Boxes, iou: float, limit: int
) -> None:
    rng = np.random.default_rng(len(xyxy))
    score = rng.uniform(0.1, 1, len(xyxy)).astype(np.float32)
    class_id = rng.integers(0, 2, len(xyxy)).astype(np.int32)
    kept = boxes.suppress_overlaps(xyxy, score, class_id, iou, limit)
    assert len(kept) == len(set(kept)) <= limit
    assert np.all(np.diff(score[kept]) <= 0)
    if len(xyxy):
        assert kept[0] == score.argmax()
    overlaps = boxes.compute_iou(xyxy[kept], xyxy[kept]) - np.eye(len(kept), dtype=np.float32)
    same_class = class_id[kept][:, None] == class_id[kept][None, :]
    assert np.all(overlaps[same_class] <= iou + 1e-4)


def test_equal_boxes_of_two_classes_both_stay() -> None:
    xyxy = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    kept = boxes.suppress_overlaps(xyxy, np.array([0.5, 0.9], np.float32), np.array([0, 1], np.int32), 0.5, 9)
    assert list(kept) == [1, 0]


def test_a_match_takes_each_partner_once() -> None:
    a = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    b = np.array([[0, 0, 10, 10]], np.float32)
    assert list(boxes.match_boxes(a, b, 0.5)) == [0, -1, -1]
    assert list(boxes.match_boxes(a, b[:0], 0.5)) == [-1, -1, -1]
