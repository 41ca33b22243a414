"""What several commands share."""

import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from aimbot.config import Settings, load_settings
from aimbot.replaying import iterate_frames
from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame
from capture.replay import ReplaySource, open_replay
from capture.source import LiveSource, open_source
from capture.window import FocusWatch

stderr = Console(stderr=True, highlight=False)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """A JSON file for people."""
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def make_folder(path: Path, option: str = "--out") -> None:
    """Make a folder for results; UserError, which names the option, if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"expected {option} to be a folder to write to, got {path}: {error.strerror}"
        ) from error


def check_suffix(out: Path, suffix: str) -> None:
    """UserError for an --out that no command would take later."""
    if out.suffix.lower() != suffix:
        raise UserError(f"expected --out FILE{suffix}, got {out}; give --out {out.with_suffix(suffix)}")


def require_vizdoom(what: str, extra: str = "demo") -> None:
    """UserError without the game; `what` wants it, and `extra` brings it."""
    if importlib.util.find_spec("vizdoom") is None:
        raise UserError(f"{what} needs the package vizdoom: pip install 'local-aim-assistant[{extra}]'")


def shipped_recording() -> Path:
    """The session that comes with the package."""
    return Path(str(resources.files("arena").joinpath("recording")))


class Track(Protocol):
    """Goes over what it is given, and tells somebody meanwhile how far it is."""

    def __call__(self, sequence: Iterable[Any], /, *, total: float | None = None) -> Iterable[Any]: ...


def show_progress(title: str) -> Track:
    """A progress bar on stderr."""
    return partial(track, description=escape(title), console=stderr, transient=True)


class CountedFrames:
    """The frames of a recording, tracked; `count` says how many have come."""

    def __init__(self, recording: ReplaySource, track: Track) -> None:
        self.count = 0
        self._recording, self._track = recording, track

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._track(iterate_frames(self._recording), total=self._recording.total):
            self.count += 1
            yield frame


def print_note(text: str) -> None:
    """A line on stderr, above a progress bar if there is one."""
    stderr.print(text, markup=False)


def open_recording(path: Path, note: Callable[[str], None] = print_note) -> ReplaySource:
    """A recording whose frames come as they are asked for; `note` is told if it was cut."""
    recording = open_replay(path, paced=False, clock=monotonic_ns)
    if recording.session is not None and recording.session.warning:
        note(recording.session.warning)
    return recording


def index_rows(recording: ReplaySource) -> dict[int, dict[str, Any]]:
    """The session's rows by frame_id; none for what is no session."""
    return {row["frame_id"]: row for row in recording.session.rows} if recording.session else {}


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
