"""Augmentation inside the compiled step: mosaic, flip, scale, aspect and colour.

keras.ops, and JAX's indexing of the frames.
"""

import math
from typing import Any

import keras
from keras import ops

SCALE_RANGE = (0.35, 1.6)
ASPECT_RANGE = (0.8, 1.25)
KEPT_AREA = 0.35
MIN_SIDE_PX = 4.0


def augment_batch(
    frames: Any, boxes: Any, picks: Any, mosaic_share: Any, seed: Any, size_wh: tuple[int, int]
) -> tuple[Any, Any]:
    """Make a batch of training images on the device.

    frames: uint8 (N, H, W, 3) BGR, all of the data. boxes: float32 (N, M, 5). picks: int32 (B, 4), the frames
    that each image may show; the first fills it where no mosaic is made. seed: (2,) of keras.random.
    Returns float32 (B, H, W, 3) RGB in 0..1, and float32 (B, 4·M, 5) boxes, zero where unused.

    Every image is a mosaic of four quadrants around a point; without mosaic the point is the lower right
    corner, so that the first quadrant is all of it.
    """
    width, height = size_wh
    batch = picks.shape[0]
    draw = _Draw(seed)
    mosaic = draw.uniform((batch, 1)) < mosaic_share
    centre_x = ops.where(mosaic, draw.uniform((batch, 1), 0.25, 0.75) * width, float(width))
    centre_y = ops.where(mosaic, draw.uniform((batch, 1), 0.25, 0.75) * height, float(height))
    zero_x, zero_y = ops.zeros_like(centre_x), ops.zeros_like(centre_y)
    full_x, full_y = ops.full_like(centre_x, float(width)), ops.full_like(centre_y, float(height))
    left = ops.concatenate([zero_x, centre_x, zero_x, centre_x], 1)  # (B, 4)
    right = ops.concatenate([centre_x, full_x, centre_x, full_x], 1)
    top = ops.concatenate([zero_y, zero_y, centre_y, centre_y], 1)
    bottom = ops.concatenate([centre_y, centre_y, full_y, full_y], 1)

    scale = ops.exp(draw.uniform((batch, 4), math.log(SCALE_RANGE[0]), math.log(SCALE_RANGE[1])))
    aspect = ops.sqrt(draw.uniform((batch, 4), *ASPECT_RANGE))
    scale_x, scale_y = scale * aspect, scale / aspect
    flip = draw.uniform((batch, 4)) < 0.5
    # Place the scaled frame so that it and its quadrant overlap as much as they can.
    shift_x = left + ((right - left) - width * scale_x) * draw.uniform((batch, 4))
    shift_y = top + ((bottom - top) - height * scale_y) * draw.uniform((batch, 4))

    image = _sample(
        frames, picks, (centre_x, centre_y), (scale_x, scale_y), (shift_x, shift_y), flip, size_wh
    )
    moved = _move_boxes(ops.take(boxes, picks, axis=0), (scale_x, scale_y), (shift_x, shift_y), flip, width)
    kept = _clip_boxes(moved, left, top, right, bottom)
    return _jitter_colour(image, draw), ops.reshape(kept, (batch, -1, 5))


class _Draw:
    """Uniform draws, each with a seed of its own."""

    def __init__(self, seed: Any) -> None:
        self._seed, self._count = seed, 0

    def uniform(self, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Any:
        self._count += 1
        offset = ops.convert_to_tensor([0, self._count], dtype="uint32")
        return keras.random.uniform(shape, low, high, seed=ops.cast(self._seed, "uint32") + offset)


def _sample(
    frames: Any, picks: Any, centre: Any, scale: Any, shift: Any, flip: Any, size_wh: tuple[int, int]
) -> Any:
    """Bilinear look-up of each output pixel in the frame of its quadrant; grey outside the frame."""
    width, height = size_wh
    xs = ops.arange(width, dtype="float32") + 0.5
    ys = ops.arange(height, dtype="float32") + 0.5
    in_right = ops.cast(xs[None] >= centre[0], "int32")  # (B, W)
    in_bottom = ops.cast(ys[None] >= centre[1], "int32")  # (B, H)
    quadrant = in_right[:, None, :] + 2 * in_bottom[:, :, None]  # (B, H, W)

    def of_pixel(values: Any) -> Any:
        flat = ops.take_along_axis(values, ops.reshape(quadrant, (values.shape[0], -1)), axis=1)
        return ops.reshape(flat, quadrant.shape)

    x = (xs[None, None, :] - of_pixel(shift[0])) / of_pixel(scale[0])
    y = (ys[None, :, None] - of_pixel(shift[1])) / of_pixel(scale[1])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x = ops.where(of_pixel(ops.cast(flip, "int32")) > 0, width - x, x) - 0.5
    y = y - 0.5
    frame = of_pixel(picks)
    x0, y0 = ops.floor(x), ops.floor(y)
    share_x, share_y = (x - x0)[..., None], (y - y0)[..., None]

    def tap(dx: int, dy: int) -> Any:
        column = ops.cast(ops.clip(x0 + dx, 0, width - 1), "int32")
        row = ops.cast(ops.clip(y0 + dy, 0, height - 1), "int32")
        return ops.cast(frames[frame, row, column], "float32")

    upper = tap(0, 0) * (1 - share_x) + tap(1, 0) * share_x
    lower = tap(0, 1) * (1 - share_x) + tap(1, 1) * share_x
    mixed = (upper * (1 - share_y) + lower * share_y) / 255
    return ops.where(inside[..., None], mixed, 0.45)[..., ::-1]


def _move_boxes(boxes: Any, scale: Any, shift: Any, flip: Any, width: int) -> Any:
    """boxes (B, 4, M, 5) into the output's pixels; unused rows stay empty."""
    x0, y0, x1, y1, class_id = (boxes[..., index] for index in range(5))
    flipped = flip[..., None]
    x0, x1 = ops.where(flipped, width - x1, x0), ops.where(flipped, width - x0, x1)
    scale_x, scale_y, shift_x, shift_y = (v[..., None] for v in (*scale, *shift))
    parts = [x0 * scale_x + shift_x, y0 * scale_y + shift_y, x1 * scale_x + shift_x, y1 * scale_y + shift_y]
    return ops.stack([*parts, class_id], axis=-1)


def _clip_boxes(boxes: Any, left: Any, top: Any, right: Any, bottom: Any) -> Any:
    """Clip to the quadrant; a box that loses most of its area, or becomes tiny, is dropped (zeroed)."""
    x0, y0, x1, y1 = (boxes[..., index] for index in range(4))
    area = (x1 - x0) * (y1 - y0)
    x0, x1 = (ops.clip(v, left[..., None], right[..., None]) for v in (x0, x1))
    y0, y1 = (ops.clip(v, top[..., None], bottom[..., None]) for v in (y0, y1))
    seen = (x1 - x0) * (y1 - y0)
    kept = (area > 0) & (seen > KEPT_AREA * area) & (ops.minimum(x1 - x0, y1 - y0) >= MIN_SIDE_PX)
    clipped = ops.stack([x0, y0, x1, y1, boxes[..., 4]], axis=-1)
    return ops.where(kept[..., None], clipped, 0.0)


def _jitter_colour(image: Any, draw: _Draw) -> Any:
    """Brightness, contrast, saturation and tint; float RGB in 0..1."""
    batch = image.shape[0]
    gain = draw.uniform((batch, 1, 1, 1), 0.6, 1.5) * draw.uniform((batch, 1, 1, 3), 0.92, 1.08)
    grey = ops.mean(image, axis=-1, keepdims=True)
    image = grey + (image - grey) * draw.uniform((batch, 1, 1, 1), 0.5, 1.5)
    return ops.clip(image * gain + draw.uniform((batch, 1, 1, 1), -0.05, 0.05), 0, 1)
