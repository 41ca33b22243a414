"""Training a detector with Keras, on whichever backend it runs."""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from capture.errors import UserError, missing_package
from detection.darknet import DarknetConfig, read_cfg
from detection.training.anchors import cluster_anchors
from detection.training.batches import count_steps, draw_batch, stream_batches
from detection.training.callbacks import Facts, ProgressBar, Saver, Stopwatch, TimeLimit, cut_log
from detection.training.checkpoint import Progress, load_checkpoint
from detection.training.dataset import join_datasets
from detection.training.formats import read_dataset
from detection.training.frames import LabelledFrames, load_frames
from detection.training.learner import Learner
from detection.training.pictures import draw_batch_picture, draw_validation_picture, plot_log
from detection.training.run import Pace, Run
from detection.training.schedule import make_optimizer, make_schedule, use_devices
from detection.training.settings import TrainSettings
from detection.training.transfer import measure_norms
from detection.training.validate import Validator
from detection.weights import load_fitting_weights

TIMED_STEPS = {"cpu": 10, "gpu": 100}
"""Steps of an epoch under a time limit, where the learning rate is set once an epoch: about a second."""
TIMED_EPOCHS = 10**9
TIMED_SAVE_S = 60.0
TICKS = 10_000
PICTURED = 9
MEASURED = 64
"""Frames that the norms of a folded model are measured on."""


def train(settings: TrainSettings) -> dict[str, Any]:
    """Train, and write the weights (their moving average), a CSV log and pictures; returns what was done.

    Each epoch ends with a checkpoint beside the weights, which `resume` goes on from and a finished training
    deletes. Without a time limit a killed and resumed training ends where an uninterrupted one does, for a
    batch depends on the seed and the step alone. UserError for what cannot be trained.
    """
    run, done = open_run(settings)
    if done.step == 0:
        show_batch(run)
    batches = stream_batches(run.frames_count, settings.batch, settings.seed, done.step, run.share_of_mosaics)
    with ProgressBar(run.share_done) as bar:
        run.learner.fit(
            batches,
            steps_per_epoch=run.pace.steps_per_epoch,
            initial_epoch=done.epoch,
            epochs=run.pace.epochs,
            callbacks=make_callbacks(run, bar, is_resumed=done.epoch > 0),
            shuffle=False,
            verbose=0,
        )
    seconds = round(run.pace.stopwatch.elapsed_s, 1)
    run.save_weights()
    try_plot(settings)
    if run.validator:
        if not run.validator.found:  # killed after the last epoch
            run.validate()
        draw_validation_picture(run.validator.frames, run.validator.found, settings.beside(".val.png"))
    run.checkpoint.unlink(missing_ok=True)
    return {
        "frames": run.frames_count,
        "steps": int(run.learner.steps),
        "batch": settings.batch,
        "seconds": seconds,
        "backend": keras.backend.backend(),
        **({"map50": run.validator.map50} if run.validator else {}),
    }


def open_run(settings: TrainSettings) -> tuple[Run, Progress]:
    """Read what a training needs, and take up an unfinished one."""
    checkpoint = settings.beside(".checkpoint.npz")
    if checkpoint.is_file() and not settings.resume:
        raise UserError(f"an unfinished training lies in {checkpoint}; add --resume, or delete that file")
    config = read_cfg(settings.cfg)
    require_raw_heads(config)
    frames = read_frames(settings.data, config)
    held_out = read_held_out(settings.validation, config, frames) if settings.validation else None
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    settings.beside(".names").write_text("\n".join(frames.class_names) + "\n", encoding="utf-8")
    kind = use_devices(settings.batch)
    precision = settings.precision
    if precision == "auto":
        precision = "float32" if kind == "cpu" else "mixed_bfloat16"
    keras.utils.set_random_seed(settings.seed)  # the first weights; the batches have a generator of their own
    learner = Learner(config, frames, settings.batch, precision)
    if settings.init is not None:
        loaded = load_fitting_weights(learner.network, config, settings.init)
        sys.stderr.write(f"{len(loaded.filled)} layers begin from {settings.init}, {len(loaded.kept)} anew\n")
        measure_norms(learner.network, config, frames.pixels[:MEASURED])
    learner.start(settings.freeze)

    steps = count_steps(len(frames.pixels), settings.batch)
    epochs = settings.total_epochs
    schedule = make_schedule(settings.peak_rate, TICKS if settings.minutes else steps * epochs)
    learner.compile(make_optimizer(settings.peak_rate if settings.minutes else schedule))
    learner.optimizer.build(learner.trainable_variables)
    recipe = {**describe_recipe(settings, config, frames), "precision": precision}
    done = Progress()
    if checkpoint.is_file():
        done = load_checkpoint(checkpoint, learner.learned_variables, recipe)
        cut_log(settings.beside(".csv"), done.epoch)
    pace = Pace(Stopwatch(done.elapsed_s), None, steps, epochs)
    if settings.minutes:
        pace = Pace(pace.stopwatch, 60 * settings.minutes, TIMED_STEPS[kind], TIMED_EPOCHS)
    validator = None
    if held_out is not None:
        validator = Validator(learner.averaged, config, held_out, settings.validate_every * steps, done.step)
    run = Run(settings, config, learner, pace, len(frames.pixels), validator, recipe, checkpoint)
    return run, done


def require_raw_heads(config: DarknetConfig) -> None:
    """UserError for heads that the network squashes itself: the loss is of raw ones."""
    for section in config.sections:
        if section.type == "yolo" and section.integer("new_coords"):
            raise section.error(
                "expected a [yolo] without new_coords=1 to train, for the loss is of raw heads; "
                "take it out, and set activation=linear before it",
                "new_coords",
            )


def make_callbacks(run: Run, bar: ProgressBar, is_resumed: bool) -> list[Any]:
    """What happens between the steps, in an order that matters: those that log read what others add."""
    settings, stopwatch = run.settings, run.pace.stopwatch
    schedule = make_schedule(settings.peak_rate, TICKS)
    timed = [TimeLimit(lambda: run.pace.share_done(0), lambda share: float(schedule(share * TICKS)))]
    return [
        stopwatch,
        *(timed if settings.minutes else []),
        Facts(stopwatch, run.validate),
        keras.callbacks.CSVLogger(settings.beside(".csv"), append=is_resumed),
        *([make_tensorboard(settings.tensorboard)] if settings.tensorboard else []),
        bar,
        Saver(run.save, TIMED_SAVE_S if settings.minutes else 0.0),
    ]


def make_tensorboard(folder: Path) -> Any:
    """Keras's logger for TensorBoard; UserError if a package is missing."""
    try:
        import tensorboard  # noqa: F401
        import tensorflow  # noqa: F401  # which Keras writes the events with, on any backend
    except ImportError as error:
        raise missing_package("--tensorboard", error.name, "train") from error
    return keras.callbacks.TensorBoard(folder, write_graph=False)


def read_frames(sources: Sequence[Path], config: DarknetConfig, split: str = "train") -> LabelledFrames:
    """All frames of a split of some data sets, at the network's size; UserError if there are none."""
    dataset = join_datasets([read_dataset(source, split=split) for source in sources])
    classes = config.heads[0].classes
    if len(dataset.class_names) != classes:
        raise UserError(
            f"expected data of {classes} classes, as the cfg says, got {len(dataset.class_names)}: "
            f"{', '.join(dataset.class_names[:5])}"
        )
    frames = load_frames(dataset, (config.width_px, config.height_px), threads=os.cpu_count() or 2)
    if not len(frames.pixels):
        raise UserError(f"expected images to learn from in {', '.join(map(str, sources))}, found none")
    return frames


def read_held_out(source: Path, config: DarknetConfig, learnt: LabelledFrames) -> LabelledFrames:
    """Frames to validate on; UserError if their classes are not those that are learnt, in the same order."""
    frames = read_frames([source], config, "validation")
    if frames.class_names != learnt.class_names:
        raise UserError(
            f"expected the classes of --data in {source}, {', '.join(learnt.class_names)}, got "
            f"{', '.join(frames.class_names)}; relabel one"
        )
    return frames


def describe_recipe(settings: TrainSettings, config: DarknetConfig, frames: LabelledFrames) -> dict[str, Any]:
    """What must not change while a training is unfinished, as JSON."""
    return {
        "cfg": hashlib.sha256(config.text.encode()).hexdigest()[:16],
        "frames": len(frames.pixels),
        "boxes": hashlib.sha256(frames.boxes.tobytes()).hexdigest()[:16],
        "init": str(settings.init) if settings.init else None,
        **{
            key: getattr(settings, key)
            for key in ("freeze", "epochs", "minutes", "batch", "peak_rate", "mosaic_share", "seed")
        },
    }


def try_plot(settings: TrainSettings) -> None:
    """Plot the log; a missing package is worth a line, and no training."""
    try:
        plot_log(settings.beside(".csv"), settings.beside(".png"))
    except UserError as error:
        sys.stderr.write(f"no picture of the loss: {error}\n")


def show_batch(run: Run) -> None:
    """A picture of what the network will meet."""
    settings = run.settings
    draws = draw_batch(run.frames_count, PICTURED, settings.mosaic_share, settings.seed, 0)
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in draws.items()}
    images, boxes = map(keras.ops.convert_to_numpy, run.learner.augment(tensors))
    draw_batch_picture(images, boxes, settings.beside(".batch.png"))
    anchors = cluster_anchors(keras.ops.convert_to_numpy(run.learner.boxes), 6).round(1).tolist()
    sys.stderr.write(f"{run.frames_count} frames; anchors that would fit their boxes: {anchors}\n")
