"""The detector of a run, its levels, and the governor that chooses among them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aimbot.config import Settings
from aimbot.governor import Governor
from detection.detector import Detector, open_detector
from detection.ladder import Ladder, Rung, open_rungs


@dataclass(frozen=True, slots=True)
class Levels:
    """What a run detects with; without `loop.adaptive` there is one level, and `rungs` are empty."""

    detector: Detector
    governor: Governor = field(default_factory=Governor)
    rungs: tuple[Rung, ...] = ()


def open_levels(settings: Settings, rungs: Sequence[Rung] = ()) -> Levels:
    """The settings' detector; with `loop.adaptive` all its levels: `rungs`, or those that suit this machine.

    UserError if the model is missing, or takes no other size.
    """
    if not settings.loop.adaptive:
        return Levels(open_detector(settings.detector))
    detectors = open_rungs(settings.detector, rungs)
    governor = Governor(len(detectors), settings.loop.target_ms)
    ladder = Ladder(detectors, lambda: governor.level)
    return Levels(ladder, governor, ladder.rungs)


def encode_rungs(rungs: Sequence[Rung]) -> list[dict[str, Any]]:
    """JSON types."""
    return [{"input_px": list(rung.input_px), "threads": rung.threads} for rung in rungs]


def decode_rungs(rows: Sequence[dict[str, Any]]) -> list[Rung]:
    """The inverse of `encode_rungs`."""
    return [Rung((row["input_px"][0], row["input_px"][1]), row["threads"]) for row in rows]
