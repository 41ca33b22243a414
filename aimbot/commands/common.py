"""What several commands share."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import track

from aimbot.config import Settings, load_settings
from aimbot.replaying import iterate_frames
from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame
from capture.replay import ReplaySource
from capture.source import LiveSource, open_source
from capture.window import FocusWatch

stderr = Console(stderr=True, highlight=False)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """A JSON file for people."""
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def make_folder(path: Path) -> None:
    """Make a folder for results; UserError if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"expected --out to be a folder to write to, got {path}: {error.strerror}") from error


def shipped_recording() -> Path:
    """The session that comes with the package."""
    return Path(str(resources.files("arena").joinpath("recording")))


def show_progress(title: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """What goes over a sequence and shows meanwhile, on stderr, how far it is."""
    return partial(track, description=title, console=stderr, transient=True)


class CountedFrames:
    """The frames of a recording, behind a progress bar; `count` says how many have come."""

    def __init__(self, recording: ReplaySource, title: str) -> None:
        self.count = 0
        self._recording, self._title = recording, title

    def __iter__(self) -> Iterator[Frame]:
        frames = iterate_frames(self._recording)
        for frame in track(frames, self._title, self._recording.total, console=stderr, transient=True):
            self.count += 1
            yield frame


@dataclass(frozen=True, slots=True)
class Where:
    """The part of the screen that the command line names; fields that are None leave the profile's."""

    window: str | None = None
    region: str | None = None
    monitor: int | None = None


def gather_settings(profile: str, overrides: Sequence[str], where: Where | None = None) -> Settings:
    """The profile, the overrides, and the command line's choice of screen in place of the profile's."""
    settings = load_settings(profile, overrides)
    named = (
        {
            key: value
            for key, value in (("window", where.window), ("region", where.region), ("monitor", where.monitor))
            if value is not None
        }
        if where
        else {}
    )
    if len(named) > 1:
        raise UserError(
            f"expected one of --window, --region and --monitor, got {' and '.join(named)}; leave one"
        )
    if not named:
        return settings
    empty: dict[str, Any] = {"window": None, "region": None, "monitor": None}
    capture = settings.capture.model_copy(update={**empty, **named})
    return settings.model_copy(update={"capture": capture})


def crop_to(settings: Settings, size_wh: tuple[int, int] | Literal["whole"]) -> Settings:
    """The settings with `crop_px = "detector"` replaced by the detector's size."""
    if settings.capture.crop_px != "detector":
        return settings
    capture = settings.capture.model_copy(update={"crop_px": size_wh})
    return settings.model_copy(update={"capture": capture})


def open_live(settings: Settings, stack: ExitStack) -> tuple[LiveSource, FocusWatch | None]:
    """The live source, and a watch of its window's focus where a window is named.

    The source is closed by the grabber that takes it over.
    """
    source = open_source(settings.capture, monotonic_ns)
    if source.window is None:
        return source, None
    watch = FocusWatch(source.window, monotonic_ns)
    stack.callback(watch.close)
    return source, watch
