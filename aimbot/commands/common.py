"""What several commands share."""

import errno
import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from aimbot.config import Settings, load_settings, override_settings
from aimbot.recorded import check_session
from aimbot.replaying import iterate_frames
from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Frame
from capture.replay import NOMINAL_HZ, ReplaySource, open_replay
from capture.session import HEADER, Session
from capture.source import LiveSource, open_source
from capture.window import FocusWatch

stderr = Console(stderr=True, highlight=False)
FASTEST_HZ = 600.0  # in hundredths it still fits the 16 bits of MPEG-4


def write_json(path: Path, data: dict[str, Any]) -> None:
    """A JSON file for people."""
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def make_folder(path: Path, option: str = "--out") -> None:
    """Make a folder for results; UserError, which names the option, if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UserError(
            f"expected {option} to be a folder to write to, got {path}: {error.strerror}"
        ) from error


def check_file(path: Path, option: str = "--out") -> None:
    """UserError, before the work, where no file can be written after it; nothing is made yet."""
    path = path.resolve()
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if nearest == path and path.is_dir():
        reason = "that is a folder; name a file in it"
    elif nearest != path and not nearest.is_dir():
        reason = f"{nearest} is a file; name another folder"
    elif not os.access(nearest, os.W_OK):
        reason = f"{nearest} is closed to you; name another place"
    else:
        return
    raise UserError(f"expected {option} to be a file that can be written, got {path}: {reason}")


def check_suffix(out: Path, suffix: str) -> None:
    """UserError for an --out that no command would take later, or that cannot be written."""
    if out.suffix != suffix:
        raise UserError(f"expected --out FILE{suffix}, got {out}; give --out {out.with_suffix(suffix)}")
    check_file(out)


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
    """A progress bar on stderr, where that is a terminal."""
    hidden = not stderr.is_interactive  # or else Rich leaves an empty line
    return partial(track, description=escape(title), console=stderr, transient=True, disable=hidden)


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
    stderr.print(text, markup=False, soft_wrap=True)


def open_recording(path: Path, note: Callable[[str], None] = print_note) -> ReplaySource:
    """A recording whose frames come as they are asked for; `note` is told if it was cut.

    UserError for a session that no run wrote.
    """
    recording = open_replay(path, paced=False, clock=monotonic_ns)
    if recording.session is not None:
        check_recorded(recording.session, note)
    return recording


def find_rate_hz(recording: ReplaySource, path: Path) -> float:
    """The mean frame rate of a session or a video at `path`, within what an .mp4 can have."""
    rate_hz = 0.0
    if recording.session is not None:
        rows = recording.session.rows
        rate_hz = 1e9 * (len(rows) - 1) / max(rows[-1]["captured_ns"] - rows[0]["captured_ns"], 1)
    elif not recording.paths:
        video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        rate_hz = video.get(cv2.CAP_PROP_FPS)
        video.release()
    return min(round(rate_hz, 2), FASTEST_HZ) or NOMINAL_HZ


def check_recorded(session: Session, note: Callable[[str], None] = print_note) -> None:
    """Tell `note` if a session was cut; UserError for one that no run wrote."""
    check_session(session)
    if session.warning:
        note(session.warning)


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

    Says which window was taken, where several match. The source is closed by the grabber that takes it over.
    """
    source = open_source(settings.capture, monotonic_ns)
    if source.window is None:
        return source, None
    if source.window.choice:
        print_note(source.window.choice)
    watch = FocusWatch(source.window, monotonic_ns)
    stack.callback(watch.close)
    return source, watch


def recorded_settings(session: Session, overrides: Sequence[str]) -> Settings:
    """Those that a session was recorded with; UserError names its file where one is wrong, or gone."""
    try:
        override_settings(session.header["settings"], ())
    except UserError as error:
        where = f"in {session.folder / HEADER}; if another version recorded it, take that setting out"
        raise UserError(f"{error} ({where})") from error
    return override_settings(session.header["settings"], overrides)
