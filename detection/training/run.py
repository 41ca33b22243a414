"""One training under way: where it stands, and what it leaves on the disk."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detection.darknet import DarknetConfig
from detection.training.callbacks import Stopwatch
from detection.training.checkpoint import Progress, save_checkpoint
from detection.training.learner import Learner
from detection.training.settings import TrainSettings
from detection.training.validate import Validator
from detection.weights import save_weights

PLAIN_TAIL = 0.12
"""The last part of a training shows no mosaics: what the network meets later are whole frames."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a training is, and how it is cut into epochs of Keras's."""

    stopwatch: Stopwatch
    limit_s: float | None
    steps_per_epoch: int
    epochs: int

    def share_done(self, step: int) -> float:
        """From 0 to 1, by time under a time limit, else by steps."""
        if self.limit_s is not None:
            return min(1.0, self.stopwatch.elapsed_s / self.limit_s)
        return step / (self.steps_per_epoch * self.epochs)


@dataclass(frozen=True, slots=True)
class Run:
    """What the callbacks of a training ask for."""

    settings: TrainSettings
    config: DarknetConfig
    learner: Learner
    pace: Pace
    frames_count: int
    validator: Validator | None
    recipe: dict[str, Any]
    checkpoint: Path

    def share_done(self) -> float:
        """From 0 to 1; without a time limit only between epochs, when Keras's variables are up to date."""
        step = 0 if self.pace.limit_s is not None else int(self.learner.steps)
        return self.pace.share_done(step)

    def share_of_mosaics(self, step: int) -> float:
        """Of the images of a step, how many are mosaics."""
        return self.settings.mosaic_share if self.pace.share_done(step) < 1 - PLAIN_TAIL else 0.0

    def validate(self) -> float:
        """The mAP50 of the averaged weights, or nan where none is due."""
        if self.validator is None:
            return math.nan
        return self.validator.score_if_due(int(self.learner.steps), is_last=self.share_done() >= 1)

    def save(self, epoch: int) -> None:
        """Write the checkpoint after so many epochs, and the weights as they are."""
        progress = Progress(epoch, int(self.learner.steps), self.pace.stopwatch.elapsed_s)
        save_checkpoint(self.checkpoint, self.learner.learned_variables, progress, self.recipe)
        self.save_weights()

    def save_weights(self) -> None:
        """Write the moving average as Darknet weights, whole or not at all."""
        save_weights(self.learner.averaged, self.config, self.settings.out)
