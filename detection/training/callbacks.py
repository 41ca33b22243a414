"""What happens between the steps of a training: time, rates, checkpoints, validation, a progress bar."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from capture.clock import monotonic_ns
from capture.errors import UserError

PRINT_EVERY_S = 30.0
NS_PER_S = 1e9


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Seconds of training, earlier runs of it counted in, the compilation of the first step left out."""

    def __init__(self, elapsed_s: float) -> None:
        super().__init__()
        self._before_s = elapsed_s
        self._start_ns: int | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds until now."""
        if self._start_ns is None:
            return self._before_s
        return self._before_s + (monotonic_ns() - self._start_ns) / NS_PER_S

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Start with the first batch."""
        if self._start_ns is None:
            self._start_ns = monotonic_ns()


class TimeLimit(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets the learning rate follow the share of the time that is over, and stops at its end."""

    def __init__(self, share_done: Callable[[], float], rate: Callable[[float], float]) -> None:
        super().__init__()
        self._share_done, self._rate = share_done, rate

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the rate."""
        self.model.optimizer.learning_rate = self._rate(self._share_done())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop."""
        if self._share_done() >= 1.0:
            self.model.stop_training = True


class Facts(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds to the log what Keras does not know; stands before the callbacks that write it.

    `validate` gives the mAP50, or nan in an epoch without validation.
    """

    def __init__(self, stopwatch: Stopwatch, validate: Callable[[], float]) -> None:
        super().__init__()
        self._stopwatch, self._validate = stopwatch, validate

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Fill in learning rate, time and mAP50; UserError if the loss is not finite."""
        if not np.isfinite(float(logs["loss"])):
            raise UserError(
                f"the training diverged in epoch {epoch + 1}; begin anew with a lower --peak-rate"
            )
        logs["loss"] = float(logs["loss"])
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["seconds"] = round(self._stopwatch.elapsed_s, 2)
        logs["val_map50"] = self._validate()


class Saver(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls `save` with the number of epochs done: after each, or at most once in `every_s` seconds."""

    def __init__(self, save: Callable[[int], None], every_s: float) -> None:
        super().__init__()
        self._save, self._every_ns = save, every_s * NS_PER_S
        self._saved_ns = monotonic_ns()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save if it is time."""
        if monotonic_ns() - self._saved_ns >= self._every_ns:
            self._save(epoch + 1)
            self._saved_ns = monotonic_ns()


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]
    """A bar on stderr, since stdout is the result's; a line now and then where no terminal shows the bar.

    Shown while it is entered.
    """

    def __init__(self, share_done: Callable[[], float]) -> None:
        super().__init__()
        self._share_done = share_done
        console = Console(stderr=True)
        columns = (BarColumn(), TextColumn("{task.percentage:.0f} %  {task.description}"))
        self._bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
        self._task = self._bar.add_task("compiling", total=1.0)
        self._printed_ns = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()  # also after an error: it gives the terminal its cursor back

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Show where the training is."""
        validated = logs["val_map50"]
        text = f"epoch {epoch + 1}  loss {logs['loss']:.3f}"
        text += "" if np.isnan(validated) else f"  mAP50 {validated:.3f}"
        share = self._share_done()
        self._bar.update(self._task, completed=share, description=text)
        is_due = monotonic_ns() - self._printed_ns > PRINT_EVERY_S * NS_PER_S
        if not np.isnan(validated) or (is_due and not self._bar.console.is_terminal):
            self._bar.console.print(f"{share:4.0%}  {logs['seconds']:6.0f} s  {text}", highlight=False)
            self._printed_ns = monotonic_ns()


def cut_log(path: Path, epochs: int) -> None:
    """Take the rows from epoch number `epochs` on out of a log: the training goes on from there."""
    if not path.is_file():
        return
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    kept = rows[:1] + [row for row in rows[1:] if int(row[0]) < epochs]
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(kept)
