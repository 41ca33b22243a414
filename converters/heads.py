"""Is what was written the network that it was made of? The raw heads of both, on one noise image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from detection.darknet import DarknetConfig

TOLERANCE = 1e-3


def make_noise(config: DarknetConfig) -> NDArray[np.uint8]:
    """Captured pixels, (1, H, W, 3) BGR, the same each time."""
    return np.random.default_rng(0).integers(0, 256, (1, config.height_px, config.width_px, 3), np.uint8)


def run_network(network: Any, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The heads of a cfg's Keras model for captured pixels."""
    import keras

    from detection.network import list_heads

    outputs = network(images[..., ::-1].astype(np.float32) / 255, training=False)
    return [keras.ops.convert_to_numpy(head) for head in list_heads(outputs)]


def check_heads(
    form: str, got: Sequence[NDArray[np.float32]], expected: Sequence[NDArray[np.float32]]
) -> None:
    """UserError if the heads of a form of a network are not those of the network itself.

    The difference of a head is the largest absolute one over the largest absolute value of the network's.
    """
    difference = np.max(  # Python's own would pass over a head that is not a number
        [np.abs(head - want).max() / np.abs(want).max() for head, want in zip(got, expected, strict=True)]
    )
    if not difference <= TOLERANCE:
        raise UserError(
            f"expected {form} and its cfg's network to agree within {TOLERANCE} of the largest value of each "
            f"head, they differ by {difference:.2g}"
        )
