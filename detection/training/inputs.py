"""What a training reads, looked at before Keras is imported, which takes seconds and prints lines."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capture.errors import UserError
from detection.darknet import DarknetConfig, read_cfg
from detection.training.dataset import join_datasets
from detection.training.formats import read_dataset
from detection.training.frames import LabelledFrames, load_frames
from detection.training.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class Inputs:
    """The model's cfg, the frames to learn from, and those to validate on."""

    config: DarknetConfig
    frames: LabelledFrames
    held_out: LabelledFrames | None


def read_inputs(settings: TrainSettings, config: DarknetConfig | None = None) -> Inputs:
    """All that the settings name; UserError for what does not fit, or an unfinished training in the way.

    config: of the cfg, where that is not written yet.
    """
    if settings.checkpoint.is_file() and not settings.resume:
        raise UserError(
            f"an unfinished training lies in {settings.checkpoint}; add --resume, or delete that file"
        )
    config = config or read_cfg(settings.cfg)
    require_raw_heads(config)
    frames = read_frames(settings.data, config)
    held_out = read_held_out(settings.validation, config, frames) if settings.validation else None
    return Inputs(config, frames, held_out)


def require_raw_heads(config: DarknetConfig) -> None:
    """UserError for heads that the network squashes itself: the loss is of raw ones."""
    for section in config.sections:
        if section.type == "yolo" and section.integer("new_coords"):
            raise section.error(
                "expected a [yolo] without new_coords=1 to train, for the loss is of raw heads; "
                "take it out, and set activation=linear before it",
                "new_coords",
            )


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
