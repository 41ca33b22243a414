"""What a training is asked to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from capture.errors import UserError

Freeze = Literal["nothing", "backbone"]
Precision = Literal["auto", "float32", "mixed_bfloat16"]
DEFAULT_EPOCHS = 60


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """The arguments of one training; the size of its images is the cfg's.

    `minutes` makes a training end after that time, whatever it got done; without it, `epochs` passes over the
    frames are made, and the result depends on nothing but the settings and the frames.
    """

    data: tuple[Path, ...]
    cfg: Path
    out: Path
    """The Darknet weights to write; what else a training leaves lies beside them."""
    validation: Path | None = None
    validate_every: int = 5
    """Epochs from one validation to the next; the last is always made."""
    init: Path | None = None
    freeze: Freeze = "nothing"
    epochs: int | None = None
    minutes: float | None = None
    batch: int = 64
    peak_rate: float = 1.5e-3
    mosaic_share: float = 0.6
    precision: Precision = "auto"
    """`auto`: bfloat16 on an accelerator, float32 on a CPU."""
    seed: int = 1
    tensorboard: Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.epochs is not None and self.minutes is not None:
            raise UserError("expected --epochs or --minutes, got both; leave one out")
        if self.out.suffix != ".weights":
            raise UserError(f"expected --out to end in .weights, got {self.out}")

    @property
    def total_epochs(self) -> int:
        """Passes over the frames, of a training without a time limit."""
        return self.epochs or DEFAULT_EPOCHS

    def beside(self, suffix: str) -> Path:
        """A file beside the weights, named like them."""
        return self.out.with_suffix(suffix)

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished training lies."""
        return self.beside(".checkpoint.npz")
