"""The optimizer, its learning rate, and the devices that it runs on."""

from typing import Any

import keras

from capture.errors import UserError

WARM_UP = 0.02
FIRST_RATE, LAST_RATE = 0.05, 0.01
"""Where the learning rate starts and ends, as shares of its peak."""


def make_schedule(peak: float, steps: int) -> Any:
    """A linear warm-up, then a cosine down to LAST_RATE of the peak, over so many steps."""
    warm_up = max(1, round(WARM_UP * steps))
    return keras.optimizers.schedules.CosineDecay(
        FIRST_RATE * peak, max(1, steps - warm_up), LAST_RATE, warmup_target=peak, warmup_steps=warm_up
    )


def make_optimizer(rate: Any) -> Any:
    """AdamW that leaves biases and batch norms undecayed; `rate` is a number or a schedule."""
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=10.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def use_devices(batch: int) -> str:
    """Share each batch among the accelerators, where there are several; returns "cpu" or "gpu".

    Call it before any model is made. Keras distributes on JAX alone. UserError if the batch cannot be shared.
    """
    devices = keras.distribution.list_devices()
    if len(devices) > 1 and keras.backend.backend() == "jax":
        if batch % len(devices):
            raise UserError(f"expected --batch to be a multiple of {len(devices)} devices, got {batch}")
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return "cpu" if str(devices[0]).lower().startswith("cpu") else "gpu"
