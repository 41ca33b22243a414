"""The loss: which anchor a box belongs to, what costs, what does not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from detection.darknet import YoloHead

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")

FINE = YoloHead(((8.0, 12.0), (20.0, 30.0)), 1, 1.05, 16, False)
COARSE = YoloHead(((60.0, 90.0),), 1, 1.05, 32, False)
LAYERS = (COARSE, FINE)
SURE, UNSURE = 12.0, -12.0


def silent_heads(batch: int = 1) -> list[NDArray[np.float32]]:
    """Raw heads for a 128 by 96 input that see nothing, and are sure of it."""
    heads = []
    for layer in LAYERS:
        raw = np.zeros(
            (batch, 96 // layer.stride, 128 // layer.stride, len(layer.anchors_wh_px), 6), np.float32
        )
        raw[..., 4] = UNSURE
        heads.append(raw.reshape(*raw.shape[:3], -1))
    return heads


def teach(heads: list[NDArray[np.float32]], box: tuple[float, ...], head: int, anchor: int) -> None:
    """Make one anchor predict the box (left, top, right, bottom) exactly, and surely."""
    layer = LAYERS[head]
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2 / layer.stride
    share = (centre % 1 + (layer.scale_x_y - 1) / 2) / layer.scale_x_y
    wh = np.array([box[2] - box[0], box[3] - box[1]])
    values = [*np.log(share / (1 - share)), *np.log(wh / layer.anchors_wh_px[anchor]), SURE, SURE]
    heads[head][0, int(centre[1]), int(centre[0]), 6 * anchor : 6 * anchor + 6] = values


def boxes_of(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    boxes = np.zeros((1, 4, 5), np.float32)
    for index, row in enumerate(rows):
        boxes[0, index, : len(row)] = row
    return boxes


def loss_of(heads: list[NDArray[np.float32]], boxes: NDArray[np.float32]) -> float:
    import keras

    from detection.training.loss import yolo_loss

    tensors = [keras.ops.convert_to_tensor(head) for head in heads]
    return float(yolo_loss(tensors, LAYERS, keras.ops.convert_to_tensor(boxes)))


MEDIUM = (50.0, 20.0, 72.0, 50.0)


def test_a_frame_without_boxes_costs_nothing_if_nothing_is_seen_and_something_if_it_is() -> None:
    heads = silent_heads()
    assert loss_of(heads, boxes_of()) == pytest.approx(0, abs=0.01)
    teach(heads, MEDIUM, head=1, anchor=1)
    assert loss_of(heads, boxes_of()) == pytest.approx(SURE, rel=0.01)


def test_a_perfect_prediction_costs_nothing_and_a_missed_box_costs_much() -> None:
    heads = silent_heads()
    assert loss_of(heads, boxes_of(MEDIUM)) > SURE
    teach(heads, MEDIUM, head=1, anchor=1)
    assert loss_of(heads, boxes_of(MEDIUM)) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("box", "head", "anchor"),
    [((10.0, 10.0, 17.0, 21.0), 1, 0), (MEDIUM, 1, 1), ((2.0, 2.0, 70.0, 92.0), 0, 0)],
)
def test_each_box_belongs_to_the_anchor_of_its_size(box: tuple[float, ...], head: int, anchor: int) -> None:
    heads = silent_heads()
    teach(heads, box, head, anchor)
    assert loss_of(heads, boxes_of(box)) == pytest.approx(0, abs=0.02)


def test_a_box_that_fits_no_anchor_belongs_to_the_nearest() -> None:
    tall = (60.0, 1.0, 66.0, 95.0)
    losses = []
    for head, anchor in ((0, 0), (1, 0), (1, 1)):
        heads = silent_heads()
        teach(heads, tall, head, anchor)
        losses.append(loss_of(heads, boxes_of(tall)))
    assert sum(loss < 0.1 for loss in losses) == 1
    assert sorted(losses)[1] > SURE


def test_a_neighbour_that_overlaps_the_box_well_is_not_taught_that_it_is_empty() -> None:
    heads = silent_heads()
    teach(heads, MEDIUM, head=1, anchor=1)
    near, far = (52.0, 21.0, 74.0, 51.0), (90.0, 60.0, 112.0, 90.0)
    for box, is_free in ((near, True), (far, False)):
        others = [head.copy() for head in heads]
        teach(others, box, head=1, anchor=0)  # an anchor that the box does not belong to
        assert (loss_of(others, boxes_of(MEDIUM)) < 0.1) == is_free


def test_what_is_seen_in_a_region_to_ignore_costs_nothing_and_beside_it_as_ever() -> None:
    heads = silent_heads()
    teach(heads, MEDIUM, head=1, anchor=1)
    around, around_its_centre, beside = (
        (40.0, 10.0, 90.0, 60.0),
        (58.0, 31.0, 64.0, 38.0),
        (90.0, 10.0, 120.0, 60.0),
    )
    for region, is_free in ((around, True), (around_its_centre, True), (beside, False)):
        assert (loss_of(heads, boxes_of((*region, -1.0))) < 0.1) == is_free


def test_a_region_to_ignore_is_no_box_to_find_and_hides_no_box_inside_it() -> None:
    assert loss_of(silent_heads(), boxes_of((*MEDIUM, -1.0))) == pytest.approx(0, abs=0.01)
    inside = boxes_of((40.0, 10.0, 90.0, 60.0, -1.0), (*MEDIUM, 0.0))
    assert loss_of(silent_heads(), inside) > SURE


def test_training_and_inference_decode_a_head_alike() -> None:
    import keras

    from detection.decode import decode_heads
    from detection.training.loss import decode_boxes

    raw = np.random.default_rng(0).normal(0, 1.5, (1, 6, 8, 2, 6)).astype(np.float32)
    trained = np.asarray(decode_boxes(keras.ops.convert_to_tensor(raw), FINE)).reshape(-1, 4)
    inferred = decode_heads([raw.reshape(1, 6, 8, 12)], [FINE], 0.0).xyxy_px
    order_a, order_b = np.lexsort(trained.T), np.lexsort(inferred.T)
    np.testing.assert_allclose(inferred[order_b], trained[order_a], rtol=1e-4, atol=1e-3)


def test_ciou_is_one_for_equal_boxes_and_falls_with_distance_and_aspect() -> None:
    from detection.training.loss import complete_iou

    a = np.array([[0.0, 0.0, 20.0, 20.0]], np.float32)
    others = ([0, 0, 20, 20], [5, 0, 25, 20], [0, 5, 20, 15], [40, 0, 60, 20], [80, 0, 100, 20])
    values = [float(complete_iou(a, np.array([b], np.float32))[0]) for b in others]
    assert values[0] == pytest.approx(1, abs=1e-5)
    assert values[1] == pytest.approx(0.6 - 25 / (25**2 + 20**2), abs=1e-4)  # equal aspect: IoU less distance
    assert values[2] < 0.5
    assert 0 > values[3] > values[4]
