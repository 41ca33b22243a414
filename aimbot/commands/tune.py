"""`tune`: settings for a wish, shown before they are written."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import tomlkit
from rich import box
from rich.console import Console
from rich.table import Table
from tomlkit.exceptions import TOMLKitError

from aimbot.cli_options import print_json
from aimbot.commands.common import check_recorded, gather_settings, show_progress, stderr
from aimbot.config import Settings, profile_path
from aimbot.session_facts import SessionFacts, find_facts
from capture.errors import UserError
from capture.session import read_session

SAME_SHARE = 0.02  # of a view's numbers: two measurements of one game differ by less
EPISODES_A_PARCEL = 4  # handed to a process at once

COLUMNS: dict[str, tuple[str, Callable[[float], float], int]] = {
    "on_target_share": ("on %", lambda share: 100 * share, 1),
    "time_s": ("ms", lambda time: 1e3 * time, 0),
    "overshoot": ("over %", lambda share: 100 * share, 1),
    "path_ratio": ("path", float, 2),
    "hops": ("hops", float, 2),
    "swing_deg": ("swing °", float, 2),
    "peak_deg_per_s": ("peak °/s", float, 0),
}


def tune(
    wish: str,
    profile: str,
    overrides: list[str],
    session: Path | None,
    frame_hz: float | None,
    seeds: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Search, show what each change does, and write the changes to `out` if it is given."""
    from benchmarks.aim import tune as tuning

    if wish not in tuning.WISHES:
        raise UserError(f"expected --wish {' or '.join(tuning.WISHES)}, got {wish!r}")
    settings = gather_settings(profile, overrides)
    document = read_document(out, profile) if out else None  # what is wrong with it shows before the minutes
    facts = read_facts(session, settings) if session else None
    plant = tuning.make_plant(settings.aim, facts, frame_hz)
    # Spawned, not forked: the progress bar has a thread.
    workers = psutil.cpu_count(logical=False) or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        play_all = partial(pool.map, chunksize=EPISODES_A_PARCEL)
        result = tuning.tune(settings.aim, plant, wish, seeds, play_all, show_progress(f"tuning: {wish}"))
    result["session"] = asdict(facts) if facts else None
    if not as_json:
        print_report(result)
    if out and document is not None:
        write_document(out, document, {change["name"]: change["to"] for change in result["changes"]})
    result["written"] = str(out) if out else None
    if as_json:
        print_json(result)
    elif out:
        stderr.print(f"written: {out}", markup=False)
    elif result["changes"]:
        stderr.print("nothing is written; --out FILE.toml writes these settings into a profile", markup=False)


def read_facts(folder: Path, settings: Settings) -> SessionFacts:
    """What a session shows; UserError if it was recorded with another view than the profile's."""
    session = read_session(folder)
    check_recorded(session)
    recorded = session.header.get("settings", {}).get("aim", {}).get("view", {})
    for name in ("yaw_deg_per_count", "pitch_deg_per_count", "fov_deg"):
        ours, its = getattr(settings.aim.view, name), recorded.get(name)
        if its is not None and abs(ours - its) > SAME_SHARE * max(ours, its):
            raise UserError(
                f"expected the profile of the session's game: aim.view.{name} is {its:g} in {folder} and "
                f"{ours:g} in the profile; give the right --profile, or --set aim.view.{name}={its:g}"
            )
    classes = len(session.header.get("class_names", ())) or 1
    aim, view = settings.aim, settings.aim.view
    if view.game_width_px is None:  # it may have been recorded in a crop
        view = view.model_copy(update={"game_width_px": recorded.get("game_width_px")})
    return find_facts(session.rows, view, aim.tracker, classes, aim.selector.min_confidence)


def read_document(out: Path, profile: str) -> tomlkit.TOMLDocument:
    """The file to write into, or a copy of the profile where there is none yet."""
    if not out.parent.is_dir():
        raise UserError(f"expected --out in a folder that is there, got {out}")
    path = out if out.exists() else profile_path(profile)
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except (TOMLKitError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"expected TOML in {path}, got: {error}; mend it, or give another --out") from error


def write_document(out: Path, document: tomlkit.TOMLDocument, values: dict[str, float]) -> None:
    """Put the values of dotted names into a profile; all else in it stays, comments too."""
    for name, value in values.items():
        *groups, key = name.split(".")
        table: Any = document
        for group in groups:
            table = table.setdefault(group, tomlkit.table(is_super_table=group != groups[-1]))
        table[key] = value
    out.write_text(tomlkit.dumps(document), encoding="utf-8")


def print_report(result: dict[str, Any]) -> None:
    """What was simulated, the whole before and after, and each change by itself."""
    console = Console()
    if result["session"]:
        console.print(describe_session(result["session"]), markup=False, highlight=False)
    console.print(describe_plant(result["plant"]), markup=False, highlight=False)
    console.print(tabulate_whole(result))
    if result["changes"]:
        console.print(tabulate_changes(result))
    else:
        console.print(f"nothing in reach is better for {result['wish']!r} than what is set", markup=False)


def describe_session(facts: dict[str, Any]) -> str:
    """A line."""
    return (
        f"session: {facts['pictures']} pictures at {facts['frame_hz']:.1f} Hz (jitter "
        f"{facts['jitter_ms']:.1f} ms), detector to mouse {facts['detector_ms']:.1f} ms; "
        f"{facts['targets']} targets, {100 * facts['missed_share']:.1f} % of sightings missed, "
        f"{100 * facts['false_share']:.1f} % of pictures with a box seen once, noise "
        f"{facts['noise_factor']:.2f} of the tracker's, nine tenths slower than "
        f"{facts['speed_deg_per_s']:.1f} °/s"
    )


def describe_plant(plant: dict[str, Any]) -> str:
    """A line."""
    yaw, pitch = plant["deg_per_count"]
    return (
        f"simulated: {plant['frame_hz']:.1f} Hz, dead time {plant['dead_time_ms']:.1f} ms and the wait for a "
        f"picture, {yaw:.4g} and {pitch:.4g} ° a count, detector {plant['detector_ms']:.1f} ms, "
        f"targets {plant['target_deg_per_s']:.0f} °/s"
    )


def tabulate_whole(result: dict[str, Any]) -> Table:
    """Before and after, on the episodes searched and on fresh ones."""
    table = make_table(f"{result['wish']}: all changes together", ["episodes", ""])
    for kind, pair in (("searched", result["searched"]), ("fresh", result)):
        for when in ("before", "after"):
            table.add_row(kind, when, *(show_figure(key, pair[when][key]) for key in COLUMNS))
    return table


def tabulate_changes(result: dict[str, Any]) -> Table:
    """Each change, and the difference that it makes to the final settings, on fresh episodes."""
    table = make_table("what each change does by itself (with it, less without it)", ["setting"])
    for change in result["changes"]:
        moves = (show_figure(key, result["after"][key] - change["without"][key], sign="+") for key in COLUMNS)
        name = change["name"].rsplit(".", 1)[-1]
        table.add_row(f"{name}\n{change['from']:g} → {change['to']:g}", *moves)
    return table


def make_table(title: str, heads: list[str]) -> Table:
    """A table with a column for each figure."""
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for head in heads:
        table.add_column(head, no_wrap=True)
    for head, _, _ in COLUMNS.values():
        table.add_column(head, justify="right", no_wrap=True)
    return table


def show_figure(key: str, value: float, sign: str = "") -> str:
    """A figure in its column's unit."""
    _, scale, digits = COLUMNS[key]
    return f"{scale(value):{sign}.{digits}f}"
