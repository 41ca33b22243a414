"""Augmentation inside the compiled step: mosaic, flip, scale, aspect and HSV, on any backend of Keras."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

KEPT_AREA = 0.35
MIN_SIDE_PX = 4.0
GREY = 0.45
MOST_BOXES = 64
"""Of a training image; the loss compares each with every cell, and four crowds in a mosaic are rare."""


def augment_batch(
    frames: Any, boxes: Any, draws: Mapping[str, Any], size_wh: tuple[int, int]
) -> tuple[Any, Any]:
    """Make a batch of training images on the device.

    frames: uint8 (N, H, W, 3) BGR, all of the data. boxes: float32 (N, M, 5), class -1 for what is to be
    ignored. draws: random numbers of B images, see `batches.draw_batch`. Returns float32 (B, H, W, 3) RGB in
    0..1, and float32 (B, min(4·M, MOST_BOXES), 5) boxes, zero where unused.

    Every image is a mosaic of four quadrants around a point; without mosaic the point is the lower right
    corner, so that the first quadrant is all of it.
    """
    width, height = size_wh
    picks, flip = draws["picks"], draws["flip"]
    scale = (draws["scale"][..., 0], draws["scale"][..., 1])
    centre = (draws["centre"][:, :1] * width, draws["centre"][:, 1:] * height)
    zero, full_x, full_y = (ops.zeros_like(centre[0]) + value for value in (0.0, width, height))
    left = ops.concatenate([zero, centre[0], zero, centre[0]], 1)  # (B, 4)
    right = ops.concatenate([centre[0], full_x, centre[0], full_x], 1)
    top = ops.concatenate([zero, zero, centre[1], centre[1]], 1)
    bottom = ops.concatenate([centre[1], centre[1], full_y, full_y], 1)
    # Place the scaled frame so that it and its quadrant overlap as much as they can.
    shift = (
        left + ((right - left) - width * scale[0]) * draws["place"][..., 0],
        top + ((bottom - top) - height * scale[1]) * draws["place"][..., 1],
    )
    image = _sample(frames, picks, centre, scale, shift, flip, size_wh)
    moved = _move_boxes(ops.take(boxes, picks, axis=0), scale, shift, flip, width)
    kept = _clip_boxes(moved, left, top, right, bottom)
    kept = _keep_largest(ops.reshape(kept, (-1, 4 * boxes.shape[1], 5)))
    return _jitter_colour(image, draws["hsv"]), kept


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
    flat_quadrant = ops.reshape(quadrant, (-1, height * width))

    def of_pixel(values: Any) -> Any:
        return ops.reshape(ops.take_along_axis(values, flat_quadrant, axis=1), (-1, height, width))

    x = (xs[None, None, :] - of_pixel(shift[0])) / of_pixel(scale[0])
    y = (ys[None, :, None] - of_pixel(shift[1])) / of_pixel(scale[1])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x = ops.where(of_pixel(flip) > 0, width - x, x) - 0.5
    y = y - 0.5
    frame = of_pixel(picks)
    x0, y0 = ops.floor(x), ops.floor(y)
    share_x, share_y = (x - x0)[..., None], (y - y0)[..., None]

    def tap(dx: int, dy: int) -> Any:
        column = ops.cast(ops.clip(x0 + dx, 0, width - 1), "int32")
        row = ops.cast(ops.clip(y0 + dy, 0, height - 1), "int32")
        return ops.cast(gather_pixels(frames, frame, row, column), "float32")

    upper = tap(0, 0) * (1 - share_x) + tap(1, 0) * share_x
    lower = tap(0, 1) * (1 - share_x) + tap(1, 1) * share_x
    mixed = (upper * (1 - share_y) + lower * share_y) / 255
    return ops.where(inside[..., None], mixed, GREY)[..., ::-1]


def gather_pixels(frames: Any, frame: Any, row: Any, column: Any) -> Any:
    """frames[frame, row, column]: (N, H, W, C) at three int32 index arrays (…) gives (…, C).

    Not `ops.take` on flattened frames: the index of a pixel among 40,000 frames does not fit into int32.
    """
    if keras.backend.backend() == "tensorflow":  # whose tensors take no arrays as indices
        import tensorflow as tf

        return tf.gather_nd(frames, tf.stack([frame, row, column], axis=-1))
    return frames[frame, row, column]


def _move_boxes(boxes: Any, scale: Any, shift: Any, flip: Any, width: int) -> Any:
    """boxes (B, 4, M, 5) into the output's pixels; unused rows stay empty."""
    x0, y0, x1, y1, class_id = (boxes[..., index] for index in range(5))
    flipped = flip[..., None] > 0
    x0, x1 = ops.where(flipped, width - x1, x0), ops.where(flipped, width - x0, x1)
    scale_x, scale_y, shift_x, shift_y = (v[..., None] for v in (*scale, *shift))
    parts = [x0 * scale_x + shift_x, y0 * scale_y + shift_y, x1 * scale_x + shift_x, y1 * scale_y + shift_y]
    return ops.stack([*parts, class_id], axis=-1)


def _clip_boxes(boxes: Any, left: Any, top: Any, right: Any, bottom: Any) -> Any:
    """Clip to the quadrant; a box that loses most of its area, or becomes tiny, is dropped (zeroed).

    What is left of a region to ignore is kept, however little.
    """
    x0, y0, x1, y1 = (boxes[..., index] for index in range(4))
    area = (x1 - x0) * (y1 - y0)
    x0, x1 = (ops.clip(v, left[..., None], right[..., None]) for v in (x0, x1))
    y0, y1 = (ops.clip(v, top[..., None], bottom[..., None]) for v in (y0, y1))
    seen = (x1 - x0) * (y1 - y0)
    recognizable = (seen > KEPT_AREA * area) & (ops.minimum(x1 - x0, y1 - y0) >= MIN_SIDE_PX)
    kept = (area > 0) & (seen > 0) & (recognizable | (boxes[..., 4] < 0))
    clipped = ops.stack([x0, y0, x1, y1, boxes[..., 4]], axis=-1)
    return ops.where(kept[..., None], clipped, 0.0)


def _keep_largest(boxes: Any) -> Any:
    """The MOST_BOXES largest of boxes (B, M, 5)."""
    if boxes.shape[1] <= MOST_BOXES:
        return boxes
    areas = ops.prod(boxes[..., 2:4] - boxes[..., 0:2], axis=-1)
    _, index = ops.top_k(areas, MOST_BOXES)
    return ops.take_along_axis(boxes, index[..., None], axis=1)


def _jitter_colour(image: Any, hsv: Any) -> Any:
    """Turn the hue, scale saturation and value; float RGB in 0..1, and (B, 3)."""
    turn, saturation, value = (hsv[:, None, None, index] for index in range(3))
    h, s, v = (plane[..., 0] for plane in ops.split(ops.image.rgb_to_hsv(image), 3, axis=-1))
    jittered = [(h + turn) % 1.0, ops.clip(s * saturation, 0, 1), ops.clip(v * value, 0, 1)]
    return ops.image.hsv_to_rgb(ops.stack(jittered, axis=-1))
