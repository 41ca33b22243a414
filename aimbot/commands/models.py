"""`dataset` and `train`: frames to learn from, and the learning; `convert`: models in, models out."""

import os
from pathlib import Path
from typing import Any

from capture.errors import UserError


def make_frames(out: Path, split: str, frames: int, seed: int) -> dict[str, Any]:
    """Labelled frames of a split's maps; returns the manifest."""
    try:
        from arena.dataset import make_dataset
    except ImportError as error:
        raise UserError("dataset needs the package vizdoom: pip install 'local-aim-assistant[arena]'") from error
    return {"out": str(out), **make_dataset(out, split, frames, seed)}


def train(
    data: list[Path], cfg: Path, out: Path, minutes: float, batch: int, peak_rate: float, seed: int,
    init: Path | None,
) -> dict[str, Any]:
    """Train on Keras's JAX backend; returns what was done."""
    os.environ.setdefault("KERAS_BACKEND", "jax")  # Keras reads it once, at its import
    try:
        import jax  # noqa: F401
        import keras  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"train needs the package {error.name}: pip install 'local-aim-assistant[train]'"
        ) from error
    from detection.training.train import train as run_train

    return {"out": str(out), **run_train(data, cfg, out, minutes, batch, peak_rate, seed, init)}
