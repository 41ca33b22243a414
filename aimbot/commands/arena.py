"""`benchmark arena` and `benchmark load`: what a player of a real game scores."""

from pathlib import Path

import psutil

from aimbot.commands.benchmark import show
from aimbot.commands.common import gather_settings, make_folder, require_vizdoom, show_progress, write_json
from aimbot.config import Settings
from capture.errors import UserError
from detection.training.report import require_matplotlib

SEARCH_DEG_PER_S = 60.0
"""All players turn like this while they see nothing, as in the demo."""


def measure_arena(
    scenarios: list[str],
    players: list[str],
    limits: tuple[int, float],
    seed: int,
    overrides: list[str],
    record: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Play on the present display or an Xvfb of its own; --out takes arena.json, arena.png and recordings.

    limits: episodes of each scenario for each player, and the longest game time of one in seconds.
    """
    require_vizdoom("the arena")
    from arena.display import use_display
    from benchmarks.arena import plot, run

    chosen = run.choose_players(players)
    where = run.choose_scenarios(scenarios)
    if record and out is None:
        raise UserError("expected --out DIR for the recordings of --record, got none")
    if out:
        require_matplotlib()  # before the minutes of play
        make_folder(out)
    settings = gather_arena_settings(overrides)
    with use_display():
        sessions = out if record else None
        result = run.run(settings, where, chosen, *limits, seed, sessions, show_progress("playing"))
    if out:
        write_json(out / "arena.json", result)
        plot.plot(result, out / "arena.png")
    show(result, run.print_table, as_json)


def measure_load(
    scenario: str,
    pairs: int,
    seconds: float,
    busy: int | None,
    seed: int,
    overrides: list[str],
    out: Path | None,
    as_json: bool,
) -> None:
    """The assistant beside a game and `busy` processes, one a core by default; --out takes load.json."""
    require_vizdoom("the arena")
    from arena.display import use_display
    from benchmarks import load
    from benchmarks.arena.run import choose_scenarios

    (where,) = choose_scenarios([scenario])
    if out:
        make_folder(out)
    count = busy or psutil.cpu_count() or 1
    with use_display():
        settings = gather_arena_settings(overrides)
        result = load.run(settings, count, where, pairs, seconds, seed, show_progress("playing"))
    if out:
        write_json(out / "load.json", result)
    show(result, load.print_table, as_json)


def gather_arena_settings(overrides: list[str]) -> Settings:
    """The profile `doom`, with the search of all players."""
    return gather_settings("doom", [f"aim.controller.search_deg_per_s={SEARCH_DEG_PER_S}", *overrides])
