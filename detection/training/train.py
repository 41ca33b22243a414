"""Training a detector with Keras, on whichever backend it runs."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import keras

from capture.errors import UserError, missing_package
from detection.darknet import DarknetConfig
from detection.training.anchors import cluster_anchors
from detection.training.batches import count_steps, draw_batch, stream_batches
from detection.training.callbacks import Facts, ProgressBar, Saver, Stopwatch, TimeLimit, cut_log
from detection.training.checkpoint import Progress, load_checkpoint
from detection.training.frames import LabelledFrames
from detection.training.inputs import Inputs
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


def train(settings: TrainSettings, inputs: Inputs) -> dict[str, Any]:
    """Train, and write the weights (their moving average), a CSV log and pictures; returns what was done.

    Each epoch ends with a checkpoint beside the weights, which `resume` goes on from and a finished training
    deletes. Without a time limit a killed and resumed training ends where an uninterrupted one does, for a
    batch depends on the seed and the step alone. UserError for what cannot be trained.
    """
    run, done = open_run(settings, inputs)
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


def open_run(settings: TrainSettings, inputs: Inputs) -> tuple[Run, Progress]:
    """Make what a training needs, and take up an unfinished one."""
    checkpoint = settings.checkpoint
    config, frames, held_out = inputs.config, inputs.frames, inputs.held_out
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
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    settings.beside(".names").write_text("\n".join(frames.class_names) + "\n", encoding="utf-8")
    run = Run(settings, config, learner, pace, len(frames.pixels), validator, recipe, checkpoint)
    return run, done


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
