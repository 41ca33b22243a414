"""Train a detector: `python -m detection.training.train --data DIR --cfg FILE --out FILE.weights`.

Runs on Keras's JAX backend (KERAS_BACKEND=jax): the frames stay on the device as uint8, and augmentation,
forward, backward and the moving average are one compiled step.
"""

import argparse
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from capture.clock import monotonic_ns
from capture.errors import UserError
from detection.darknet import DarknetConfig, read_cfg
from detection.training.dataset import LabelledFrames, cluster_anchors, read_coco
from detection.weights import load_weights, save_weights

MOSAIC_SHARE = 0.6
PLAIN_TAIL = 0.12
"""The last part of a training shows no mosaics: what the network meets later are whole frames."""
WARM_UP = 0.02
SAVE_EVERY_S = 120.0


def learning_rate(progress: float, peak: float) -> float:
    """Linear warm-up, then cosine to 1 % of the peak; `progress` runs from 0 to 1."""
    if progress < WARM_UP:
        return peak * progress / WARM_UP
    return peak * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(progress, 1.0)))))


class Trainer:
    """The compiled step and its state."""

    def __init__(
        self, config: DarknetConfig, frames: LabelledFrames, batch: int, seed: int, init: Path | None = None
    ) -> None:
        import jax
        import keras

        if keras.backend.backend() != "jax":
            raise UserError(f"expected KERAS_BACKEND=jax for training, got {keras.backend.backend()}")
        from detection.network import build_network
        from detection.training.augment import augment_batch
        from detection.training.loss import yolo_loss

        keras.utils.set_random_seed(seed)
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        model = build_network(config)
        keras.mixed_precision.set_global_policy("float32")
        self._plain = build_network(config)
        self._config = config
        if init is not None:
            load_weights(model, config, init)
        _bias_objectness(model, config)
        optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.02, global_clipnorm=10.0)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        optimizer.build(model.trainable_variables)
        rate_index = next(i for i, v in enumerate(optimizer.variables) if v is optimizer._learning_rate)
        size_wh = (config.width_px, config.height_px)

        def loss_of(trainable: Any, fixed: Any, images: Any, boxes: Any) -> Any:
            heads, fixed = model.stateless_call(trainable, fixed, images, training=True)
            heads = heads if isinstance(heads, list | tuple) else [heads]
            return yolo_loss(heads, config.heads, boxes), fixed

        def step(state: Any, pixels: Any, labels: Any, picks: Any, key: Any, knobs: Any) -> Any:
            trainable, fixed, moments, average = state
            images, boxes = augment_batch(pixels, labels, picks, knobs[1], key, size_wh)
            (loss, fixed), gradients = jax.value_and_grad(loss_of, has_aux=True)(
                trainable, fixed, images, boxes
            )
            moments = [knobs[0] if i == rate_index else v for i, v in enumerate(moments)]
            trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
            average = jax.tree.map(
                lambda a, b: a * knobs[2] + b * (1 - knobs[2]), average, (trainable, fixed)
            )
            return (trainable, fixed, moments, average), loss

        self._step = jax.jit(step, donate_argnums=0)
        self._augment = jax.jit(lambda p, b, i, m, k: augment_batch(p, b, i, m, k, size_wh))
        trainable = [v.value for v in model.trainable_variables]
        fixed = [v.value for v in model.non_trainable_variables]
        average = jax.tree.map(lambda v: v + 0, (trainable, fixed))
        self._state = (trainable, fixed, [v.value for v in optimizer.variables], average)
        self._pixels, self._labels = jax.device_put(frames.pixels), jax.device_put(frames.boxes)
        self._rng = np.random.default_rng(seed)
        self._batch, self._order = batch, self._shuffle(len(frames.pixels))
        self.steps = 0

    def run_step(self, progress: float, peak_rate: float) -> Any:
        """One batch; returns the loss, still on the device."""
        decay = min(0.9995, (1 + self.steps) / (10 + self.steps))
        mosaic = MOSAIC_SHARE if progress < 1 - PLAIN_TAIL else 0.0
        knobs = np.array([learning_rate(progress, peak_rate), mosaic, decay], np.float32)
        key = np.array([self._rng.integers(1 << 31), 0], np.uint32)
        self._state, loss = self._step(self._state, self._pixels, self._labels, self._picks(), key, knobs)
        self.steps += 1
        return loss

    def sample_batch(self) -> tuple[Any, Any]:
        """An augmented batch to look at: float32 RGB images and boxes, as numpy."""
        key = np.array([self._rng.integers(1 << 31), 0], np.uint32)
        images, boxes = self._augment(
            self._pixels, self._labels, self._picks(), np.float32(MOSAIC_SHARE), key
        )
        return np.asarray(images), np.asarray(boxes)

    def save(self, path: Path) -> None:
        """Write the moving average as float32 Darknet weights, atomically."""
        trainable, fixed = self._state[3]
        for variable, value in zip(self._plain.trainable_variables, trainable, strict=True):
            variable.assign(np.asarray(value, np.float32))
        for variable, value in zip(self._plain.non_trainable_variables, fixed, strict=True):
            variable.assign(np.asarray(value, np.float32))
        part = path.with_suffix(".part")
        save_weights(self._plain, self._config, part)
        os.replace(part, path)

    def _picks(self) -> Any:
        first = [next(self._order) for _ in range(self._batch)]
        others = self._rng.integers(len(self._pixels), size=(self._batch, 3))
        return np.column_stack([first, others]).astype(np.int32)

    def _shuffle(self, count: int) -> Iterator[int]:
        while True:
            yield from self._rng.permutation(count).tolist()


def _bias_objectness(model: Any, config: DarknetConfig) -> None:
    """Start from 'nothing is there' (a prior of 1 %), as focal-loss detectors do (Lin et al., 2017)."""
    yolos = [index for index, section in enumerate(config.sections) if section.type == "yolo"]
    for index, head in zip(yolos, config.heads, strict=True):
        convolution = model.get_layer(f"conv_{index - 1}")
        kernel, bias = convolution.get_weights()
        if np.any(bias):
            continue  # trained before
        per_anchor = bias.reshape(len(head.anchors_wh_px), -1)
        per_anchor[:, 4] = -np.log(99.0)
        convolution.set_weights([kernel * 0.1, per_anchor.reshape(-1)])


def train(
    data: list[Path],
    cfg: Path,
    out: Path,
    minutes: float,
    batch: int,
    peak_rate: float,
    seed: int,
    init: Path | None = None,
) -> dict[str, Any]:
    """Train for `minutes`; writes `out` (Darknet weights) and `out`.csv; returns what was done."""
    config = read_cfg(cfg)
    size_wh = (config.width_px, config.height_px)
    parts = [read_coco(folder, size_wh, threads=os.cpu_count() or 2) for folder in data]
    frames = LabelledFrames(
        np.concatenate([p.pixels for p in parts]), np.concatenate([p.boxes for p in parts])
    )
    anchors = np.round(cluster_anchors(frames.boxes, 6), 1).tolist()
    print(f"{len(frames.pixels)} frames; anchors that would fit them: {anchors}", flush=True)
    trainer = Trainer(config, frames, batch, seed, init)
    float(trainer.run_step(0.0, peak_rate))  # compiles
    started_ns = saved_ns = monotonic_ns()
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".csv").open("w", newline="") as stream:
        log = csv.writer(stream)
        log.writerow(["step", "seconds", "loss", "learning_rate"])
        progress = 0.0
        losses: list[Any] = []
        while progress < 1.0:
            elapsed = (monotonic_ns() - started_ns) / 1e9
            progress = elapsed / (60 * minutes)
            losses.append(trainer.run_step(progress, peak_rate))
            if len(losses) == 50:
                mean = float(np.mean([float(v) for v in losses]))  # waits for the device
                losses = []
                log.writerow(
                    [trainer.steps, round(elapsed, 1), round(mean, 4), learning_rate(progress, peak_rate)]
                )
                if trainer.steps % 1000 < 50:
                    print(f"{elapsed:6.0f} s  step {trainer.steps}  loss {mean:.3f}", flush=True)
                if monotonic_ns() - saved_ns > SAVE_EVERY_S * 1e9:
                    stream.flush()
                    trainer.save(out)
                    saved_ns = monotonic_ns()
    trainer.save(out)
    return {"frames": len(frames.pixels), "steps": trainer.steps, "batch": batch, "minutes": minutes}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--cfg", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--peak-rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    print(json.dumps(train(a.data, a.cfg, a.out, a.minutes, a.batch, a.peak_rate, a.seed, a.init)))


if __name__ == "__main__":
    main()
