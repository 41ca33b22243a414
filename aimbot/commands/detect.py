"""`detect`: boxes in recordings, one after the other or over several processes."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from rich.markup import escape
from rich.progress import Progress

from aimbot.aimer import AimSettings
from aimbot.commands.common import (
    CountedFrames,
    Track,
    check_file,
    find_rate_hz,
    index_rows,
    make_folder,
    open_recording,
    print_note,
    recorded_settings,
    show_progress,
    stderr,
)
from aimbot.commands.processes import Done, Killed, Refused, share_out
from aimbot.config import Settings
from aimbot.identities import Identifier
from capture.errors import UserError, blame_paths
from capture.replay import ReplaySource
from detection.annotate import detect_frames
from detection.detector import Detector, open_detector

FAILURES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class How:
    """How every source is detected; `overrides` go on top of a session's own settings."""

    settings: Settings
    overrides: Sequence[str]
    tracked: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A source, the folder for its pictures and the file for its rows."""

    source: Path
    out: Path | None
    predictions: Path | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A process is done with one frame more, of `total` if that is known."""

    total: float | None


def detect(
    sources: Sequence[Path],
    settings: Settings,
    overrides: Sequence[str],
    out: Path | None,
    predictions: Path | None,
    tracked: bool,
    jobs: int,
) -> dict[str, Any]:
    """Find boxes in every frame of recordings, image folders or images; `tracked`: number them.

    `overrides` go on top of a session's own settings, which say how its view turned. Several sources are
    detected in up to `jobs` processes, and what one of them lacks is its "error" in the result; see
    `raise_failures`. UserError for a single source that fails, and for what ails them all.
    """
    if len(sources) == 1:
        if out is not None and out.resolve() in _find_own_folders(sources[0]):
            raise UserError(
                f"expected --out apart from the source, got {out}, where pictures may replace its own; "
                "name another folder"
            )
        if predictions is not None:
            check_file(predictions, "--predictions")
        task = Task(sources[0], out, predictions)
        with closing(_open_task(task)) as recording, closing(open_detector(settings.detector)) as detector:
            how = How(settings, overrides, tracked)
            return _detect_recording(recording, task, detector, how, show_progress("detecting"))
    tasks = plan_tasks(sources, out, predictions)
    jobs = min(jobs, len(tasks))
    how = How(divide_threads(settings, jobs), overrides, tracked)
    found = _detect_at_once(tasks, how, jobs) if jobs > 1 else _detect_in_turn(tasks, how)
    return _sum_up(tasks, found, out, tracked)


def raise_failures(result: dict[str, Any]) -> None:
    """UserError with the first few failures of `detect`'s result, if there are any."""
    sources = result.get("sources", [])
    errors = [row["error"] for row in sources if "error" in row]
    if errors:
        more = len(errors) - FAILURES_SHOWN
        raise UserError(
            f"{len(errors)} of {len(sources)} sources failed, the others are done: "
            + "; ".join(errors[:FAILURES_SHOWN])
            + (f"; and {more} more, which the result names" if more > 0 else "")
        )


def plan_tasks(sources: Sequence[Path], out: Path | None, predictions: Path | None) -> list[Task]:
    """A folder in `out` and a file in `predictions` for each source; UserError if they cannot be."""
    if predictions is not None and predictions.suffix.lower() == ".json":
        raise UserError(
            f"expected --predictions to be a folder, for {len(sources)} sources get a file each, got "
            f"{predictions}; give --predictions {predictions.with_suffix('')}"
        )
    names = name_sources(sources)
    taken = {source.resolve() for source in sources}
    for name in names:
        if out is not None and (out / name).resolve() in taken:
            raise UserError(
                f"expected --out apart from the sources, got {out}, where pictures would go into the source "
                f"{out / name}; name another folder"
            )
    if out is not None:
        make_folder(out)
    if predictions is not None:
        make_folder(predictions, "--predictions")
    return [
        Task(source, out / name if out else None, predictions / f"{name}.json" if predictions else None)
        for source, name in zip(sources, names, strict=True)
    ]


def name_sources(sources: Sequence[Path]) -> list[str]:
    """The file name of each source, with a number where an earlier one has the same but for its case."""
    names: dict[str, str] = {}
    for source in sources:
        own = os.path.basename(os.path.abspath(source))  # of . and .. too
        tries = chain([own], (f"{own}-{number}" for number in count(2)))
        name = next(name for name in tries if name.casefold() not in names)
        names[name.casefold()] = name
    return list(names.values())


def divide_threads(settings: Settings, jobs: int) -> Settings:
    """The cores divided among `jobs` detectors at once, unless `detector.threads` is set."""
    if jobs == 1 or settings.detector.threads:
        return settings
    cores = psutil.cpu_count(logical=False) or 1
    detector = settings.detector.model_copy(update={"threads": max(1, cores // jobs)})
    return settings.model_copy(update={"detector": detector})


def _find_own_folders(source: Path) -> list[Path]:
    """Where the pictures of a source lie: itself, or the folder of a file and that of a link to one."""
    if source.is_dir():
        return [source.resolve()]
    return [source.resolve().parent, source.parent.resolve()]


def _detect_in_turn(tasks: Sequence[Task], how: How) -> list[dict[str, Any]]:
    with closing(open_detector(how.settings.detector)) as detector:
        return [_try_task(task, detector, how, show_progress(task.source.name), print_note) for task in tasks]


def _detect_at_once(tasks: Sequence[Task], how: How, jobs: int) -> list[dict[str, Any]]:
    with Progress(console=stderr, transient=True, disable=not stderr.is_interactive) as progress:
        bars = [progress.add_task(escape(task.source.name), total=None, visible=False) for task in tasks]

        def hear(index: int, message: Seen | str | Done | Killed) -> None:
            if isinstance(message, Seen):
                progress.update(bars[index], total=message.total, advance=1, visible=True)
            elif isinstance(message, str):
                print_note(message)
            else:
                progress.update(bars[index], visible=False)

        outcomes = share_out(tasks, jobs, partial(_serve, how), hear)
    return [
        outcome.result if isinstance(outcome, Done) else _explain_kill(task, outcome)
        for task, outcome in zip(tasks, outcomes, strict=True)
    ]


def _serve(how: How, pipe: Connection) -> None:
    """In a process of its own: detect the sources that come, with one detector."""

    def tell(frames: Iterable[Any], *, total: float | None = None) -> Iterator[Any]:
        for frame in frames:
            yield frame
            pipe.send(Seen(total))

    try:
        opened = open_detector(how.settings.detector)
    except UserError as error:
        pipe.send(Refused(str(error)))
        return
    with closing(opened) as detector:
        while True:
            pipe.send(Done(_try_task(pipe.recv(), detector, how, tell, pipe.send)))


def _try_task(
    task: Task, detector: Detector, how: How, track: Track, note: Callable[[str], None]
) -> dict[str, Any]:
    """What was found in a source, or the error that it has."""
    try:
        with blame_paths(), closing(_open_task(task, note)) as recording:
            return _detect_recording(recording, task, detector, how, track)
    except UserError as error:
        return {"error": str(error)}


def _explain_kill(task: Task, outcome: Killed) -> dict[str, Any]:
    return {
        "error": f"expected the process that detected {task.source} to live, it was killed by signal "
        f"{outcome.signal}; if memory was short, give fewer --jobs"
    }


def _open_task(task: Task, note: Callable[[str], None] = print_note) -> ReplaySource:
    recording = open_recording(task.source, note)
    if task.out is not None:
        make_folder(task.out)
    return recording


def _detect_recording(
    recording: ReplaySource, task: Task, detector: Detector, how: How, track: Track
) -> dict[str, Any]:
    identify = None
    if how.tracked:
        aim = _choose_aim(recording, how)
        identify = Identifier(aim, detector.class_names, index_rows(recording)).identify
    frames = CountedFrames(recording, track)
    video_fps = None if recording.paths else find_rate_hz(recording, task.source)
    rows = detect_frames(detector, frames, task.out, video_fps, identify)
    if task.predictions is not None:
        task.predictions.parent.mkdir(parents=True, exist_ok=True)
        task.predictions.write_text(json.dumps(rows), encoding="utf-8")
    result = {"frames": frames.count, "detections": len(rows), "out": str(task.out) if task.out else None}
    return {**result, "identities": len({row["track_id"] for row in rows})} if how.tracked else result


def _choose_aim(recording: ReplaySource, how: How) -> AimSettings:
    """How to see the world: as the session was recorded, where it says so."""
    session = recording.session
    if session is None or "settings" not in session.header:
        return how.settings.aim
    return recorded_settings(session, how.overrides).aim


def _sum_up(
    tasks: Sequence[Task], found: Sequence[dict[str, Any]], out: Path | None, tracked: bool
) -> dict[str, Any]:
    """The keys of a single source with the sums of all, and what was found in each."""
    counted = ["frames", "detections", *(["identities"] if tracked else [])]
    sums = {key: sum(one.get(key, 0) for one in found) for key in counted}
    rows = [{"source": str(task.source), **one} for task, one in zip(tasks, found, strict=True)]
    return {**sums, "out": str(out) if out else None, "sources": rows}
