"""Batches drawn on the host, and the images that the device makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from training_helpers import write_coco

from detection.training.batches import count_steps, draw_batch, stream_batches
from detection.training.formats import read_dataset
from detection.training.frames import load_frames

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")

SIZE_WH = (128, 96)
PLAIN = {
    "centre": [[1.0, 1.0]],
    "scale": [[[1.0, 1.0]] * 4],
    "place": [[[0.5, 0.5]] * 4],
    "hsv": [[0.0, 1.0, 1.0]],
}


def augment(frames: NDArray[np.uint8], boxes: NDArray[np.float32], draws: dict[str, Any]) -> tuple[Any, Any]:
    import keras

    from detection.training.augment import augment_batch

    tensors = {
        name: keras.ops.convert_to_tensor(value, dtype="int32" if name in ("picks", "flip") else "float32")
        for name, value in draws.items()
    }
    size_wh = (frames.shape[2], frames.shape[1])
    parts = augment_batch(
        keras.ops.convert_to_tensor(frames), keras.ops.convert_to_tensor(boxes), tensors, size_wh
    )
    return np.asarray(parts[0]), np.asarray(parts[1])


def test_a_batch_depends_on_seed_and_step_alone_and_an_epoch_shows_every_frame() -> None:
    steps = count_steps(10, 4)
    assert steps == 3
    epoch = [draw_batch(10, 4, 0.5, seed=3, step=step) for step in range(steps)]
    assert {int(pick) for draws in epoch for pick in draws["picks"][:, 0]} == set(range(10))
    stream = stream_batches(10, 4, 3, 1, lambda step: 0.5)
    for draws in (draw_batch(10, 4, 0.5, seed=3, step=1), next(stream)[0]):
        assert all(np.array_equal(draws[name], epoch[1][name]) for name in draws)
    for other in (draw_batch(10, 4, 0.5, seed=4, step=1), draw_batch(10, 4, 0.5, seed=3, step=4)):
        assert not np.array_equal(other["place"], epoch[1]["place"])


def test_a_batch_larger_than_the_data_shows_frames_again() -> None:
    assert sorted(draw_batch(3, 7, 0.0, 1, 0)["picks"][:, 0].tolist())[:2] == [0, 0]


def test_the_share_of_mosaics_is_what_was_asked_for() -> None:
    for share in (0.0, 0.3, 1.0):
        centre = draw_batch(10, 2000, share, 1, 0)["centre"]
        assert (centre < 1).all(axis=1).mean() == pytest.approx(share, abs=0.03)


def test_without_any_change_a_frame_comes_out_as_it_is() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 32, 64, 3), dtype=np.uint8)
    boxes = np.zeros((3, 2, 5), np.float32)
    boxes[1, 0] = (10, 5, 30, 25, 0)
    draws = {**PLAIN, "picks": [[1, 0, 0, 0]], "flip": [[0, 0, 0, 0]]}
    image, moved = augment(frames, boxes, draws)
    np.testing.assert_allclose(image[0], frames[1, ..., ::-1] / 255, atol=2e-3)
    assert moved[0, 0].tolist() == [10, 5, 30, 25, 0]
    assert not moved[0, 1:].any()
    image, moved = augment(frames, boxes, {**draws, "flip": [[1, 0, 0, 0]]})
    np.testing.assert_allclose(image[0], frames[1, :, ::-1, ::-1] / 255, atol=2e-3)
    assert moved[0, 0].tolist() == [34, 5, 54, 25, 0]


def test_hue_saturation_and_value_change_as_drawn() -> None:
    frames = np.full((1, 32, 32, 3), (0, 0, 200), np.uint8)  # BGR: red
    draws: dict[str, Any] = {**PLAIN, "picks": [[0] * 4], "flip": [[0] * 4]}
    for hsv, wanted in (
        ((1 / 3, 1.0, 1.0), (0, 200, 0)),
        ((-1 / 3, 1.0, 1.0), (0, 0, 200)),
        ((0.0, 0.5, 1.0), (200, 100, 100)),
        ((0.0, 1.0, 0.5), (100, 0, 0)),
        ((0.0, 1.0, 9.0), (255, 0, 0)),
    ):
        image, _ = augment(frames, np.zeros((1, 1, 5), np.float32), {**draws, "hsv": [hsv]})
        np.testing.assert_allclose(image[0, 16, 16] * 255, wanted, atol=1)


def test_a_box_that_loses_most_of_itself_is_dropped_and_a_region_to_ignore_never() -> None:
    frames = np.zeros((1, 32, 64, 3), np.uint8)
    boxes = np.zeros((1, 2, 5), np.float32)
    boxes[0, 0], boxes[0, 1] = (0, 8, 20, 24, 0), (0, 8, 20, 24, -1)
    draws = {**PLAIN, "picks": [[0] * 4], "flip": [[0] * 4]}
    # Twice as wide, and moved to the left by 35.2 pixels: of the box's 40, 4.8 stay inside.
    draws |= {"scale": [[[2.0, 1.0]] * 4], "place": [[[0.55, 0.5]] * 4]}
    _, moved = augment(frames, boxes, draws)
    assert moved[0, 0].tolist() == [0, 0, 0, 0, 0]
    np.testing.assert_allclose(moved[0, 1], [0, 8, 4.8, 24, -1], atol=0.01)


@pytest.mark.parametrize("mosaic_share", [0.0, 1.0])
def test_augmented_boxes_stay_on_what_they_label(mosaic_share: float, tmp_path: Path) -> None:
    corners = np.random.default_rng(1).integers(0, [98, 60], (8, 2))
    rows = [[[float(x), float(y), 30.0, 36.0]] for x, y in corners]
    data = load_frames(read_dataset(write_coco(tmp_path / "set", rows, SIZE_WH)), SIZE_WH)
    images, boxes = augment(data.pixels, data.boxes, draw_batch(8, 32, mosaic_share, 5, 0))
    assert images.shape == (32, 96, 128, 3)
    assert 0 <= images.min() <= images.max() <= 1
    whiter = []
    for image, found in zip(images, boxes, strict=True):
        grey = image.mean(-1)
        for x0, y0, x1, y1, _ in found[found[:, 2] > found[:, 0]]:
            assert 0 <= x0 < x1 <= 128
            assert 0 <= y0 < y1 <= 96
            inner = grey[int(y0) + 2 : int(y1) - 2, int(x0) + 2 : int(x1) - 2]
            if inner.size:
                whiter.append(inner.min() > np.median(grey))
    assert len(whiter) > 20
    assert np.mean(whiter) > 0.96  # a quadrant full of one box can make the median white
