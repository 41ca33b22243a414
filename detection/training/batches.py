"""What each step of a training shows: frames and random numbers, drawn from (seed, step) alone."""

import math
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

Draws = dict[str, NDArray[np.float32] | NDArray[np.int32]]

SCALE_RANGE = (0.35, 1.6)
ASPECT_RANGE = (0.8, 1.25)
CENTRE_RANGE = (0.25, 0.75)
HUE_TURN = 0.02
SATURATION_RANGE = (0.5, 1.5)
VALUE_RANGE = (0.6, 1.5)


def draw_batch(frames: int, batch: int, mosaic_share: float, seed: int, step: int) -> Draws:
    """The arguments of `augment_batch` for one step; the same arguments give the same batch.

    Every epoch of ceil(frames / batch) steps shows each frame at least once. Per image: `picks` (4,) the
    frames of its quadrants; `centre` (2,) where these meet, as a share of the image, (1, 1) without mosaic;
    `scale` (4, 2) of each frame; `place` (4, 2), where in its free play the frame lies, 0 to 1; `flip` (4,) 0
    or 1; `hsv` (3,) turn of the hue, factors of saturation and value.
    """
    epoch, index = divmod(step, count_steps(frames, batch))
    order = np.random.default_rng((seed, epoch)).permutation(frames)
    first = np.take(order, np.arange(index * batch, (index + 1) * batch), mode="wrap")
    rng = np.random.default_rng((seed, epoch, index))
    scale = np.exp(rng.uniform(math.log(SCALE_RANGE[0]), math.log(SCALE_RANGE[1]), (batch, 4)))
    aspect = np.sqrt(rng.uniform(*ASPECT_RANGE, (batch, 4)))
    is_mosaic = rng.random((batch, 1)) < mosaic_share
    hsv = [
        rng.uniform(-HUE_TURN, HUE_TURN, batch),
        rng.uniform(*SATURATION_RANGE, batch),
        rng.uniform(*VALUE_RANGE, batch),
    ]
    return {
        "picks": np.column_stack([first, rng.integers(frames, size=(batch, 3))]).astype(np.int32),
        "centre": np.where(is_mosaic, rng.uniform(*CENTRE_RANGE, (batch, 2)), 1.0).astype(np.float32),
        "scale": np.stack([scale * aspect, scale / aspect], axis=-1).astype(np.float32),
        "place": rng.random((batch, 4, 2), np.float32),
        "flip": rng.integers(2, size=(batch, 4)).astype(np.int32),
        "hsv": np.column_stack(hsv).astype(np.float32),
    }


def count_steps(frames: int, batch: int) -> int:
    """Steps of an epoch; the last batch is filled from the epoch's beginning."""
    return -(-frames // batch)


def stream_batches(
    frames: int, batch: int, seed: int, first_step: int, mosaic_share: Callable[[int], float]
) -> Iterator[tuple[Draws]]:
    """Batches from `first_step` on, without end, as Keras's fit takes them; each step asks for the share."""
    for step in count(first_step):
        yield (draw_batch(frames, batch, mosaic_share(step), seed, step),)
