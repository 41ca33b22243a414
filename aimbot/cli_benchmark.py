"""`benchmark …`: the options of the figures that are measured here and now."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from aimbot.cli_options import Json, Out, Profile, Seed, Sets

app = typer.Typer(help="Figures, measured here and now.", no_args_is_help=True)


@app.command("loop")
def loop(
    source: Annotated[Optional[Path], typer.Option(help="Frames; default: the shipped recording.")] = None,  # noqa: UP045
    window: Annotated[
        bool, typer.Option("--window", help="Show the frames in a window, and capture it.")
    ] = False,
    profile: Profile = "doom",
    sets: Sets = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE.png", help="A flame chart of a frame.")] = None,
    as_json: Json = False,
) -> None:
    """The whole loop's speed over that of its detector."""
    from aimbot.commands.benchmark import measure_loop

    measure_loop(source, window, profile, sets or [], chart, as_json)


@app.command("soak")
def soak(
    seconds: Annotated[float, typer.Option(min=1)] = 3600.0,
    arena: Annotated[
        bool, typer.Option("--arena", help="Play a game, not recorded frames at full speed.")
    ] = False,
    profile: Profile = "doom",
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """A long run: whether memory, latency and threads stay as they were."""
    from aimbot.commands.benchmark import measure_soak

    measure_soak(seconds, arena, profile, sets or [], as_json)


@app.command("capture")
def capture(
    pictures: Annotated[int, typer.Option(min=20)] = 400,
    as_json: Json = False,
) -> None:
    """From a drawing in a window to its frame, and what looking costs."""
    from aimbot.commands.benchmark import measure_capture

    measure_capture(pictures, as_json)


@app.command("compare")
def compare(
    old: Annotated[Path, typer.Argument(help="What a benchmark printed with --json.")],
    new: Annotated[Path, typer.Argument(help="The same later, or with other settings.")],
    as_json: Json = False,
) -> None:
    """What changed between two results of a benchmark, beyond their noise."""
    from aimbot.commands.benchmark import compare_results

    compare_results(old, new, as_json)


@app.command("latency")
def latency(
    model: Annotated[Optional[str], typer.Option(help="Beside the trivial one.")] = None,  # noqa: UP045
    flashes: Annotated[int, typer.Option(min=10)] = 400,
    as_json: Json = False,
) -> None:
    """From a pixel that lights up in a window to the mouse's motion, through the whole loop."""
    from aimbot.commands.benchmark import measure_latency

    measure_latency(model, flashes, as_json)


@app.command("detector")
def detector(
    model: Annotated[Optional[list[str]], typer.Option(help="May be repeated.")] = None,  # noqa: UP045
    source: Annotated[Optional[Path], typer.Option(help="Frames; default: the shipped recording.")] = None,  # noqa: UP045
    rounds: Annotated[int, typer.Option(min=2)] = 200,
    as_json: Json = False,
) -> None:
    """Latency of models and back ends, in turns."""
    from aimbot.commands.benchmark import measure_detector

    measure_detector(model or ["doom-nano", "doom-tiny"], source, rounds, as_json)


@app.command("aim")
def aim(
    seeds: Annotated[int, typer.Option(min=1, help="Episodes of each scene and frame rate.")] = 2,
    out: Annotated[Optional[Path], typer.Option(help="A folder for the rows and a plot.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Our aim in a simulated game, beside an oracle, proportional control, EMA and PID."""
    from aimbot.commands.benchmark import measure_aim

    measure_aim(seeds, out, as_json)


@app.command("peers")
def peers(
    model: Annotated[str, typer.Option(help="A name under models/, or an .onnx file of ours.")] = "doom-nano",
    source: Annotated[Optional[Path], typer.Option(help="Frames; default: the shipped recording.")] = None,  # noqa: UP045
    rounds: Annotated[int, typer.Option(min=2)] = 200,
    threads: Annotated[Optional[int], typer.Option(min=1, help="Default: one a core.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """The same weights in every runtime that is installed, in turns."""
    from aimbot.commands.benchmark import measure_peers

    measure_peers(model, source, rounds, threads, as_json)


@app.command("arena")
def arena(
    scenario: Annotated[list[str] | None, typer.Option(help="May be repeated; default: all three.")] = None,
    player: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="ours, oracle, omniscient or simple; may be repeated; default: all."),
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Of each scenario, for each player.")] = 10,
    episode_seconds: Annotated[float, typer.Option(min=1, help="Longest game time of an episode.")] = 60.0,
    seed: Seed = 1,
    sets: Sets = None,
    record: Annotated[bool, typer.Option("--record", help="Also record what was seen, to --out.")] = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """A live score in a real game, beside an oracle that knows the game's own truth."""
    from aimbot.commands.arena import measure_arena

    limits = (episodes, episode_seconds)
    measure_arena(scenario or [], player or [], limits, seed, sets or [], record, out, as_json)


@app.command("load")
def load(
    scenario: Annotated[str, typer.Option(help="Of the arena.")] = "defend_the_line",
    pairs: Annotated[int, typer.Option(min=1, help="Games of each kind, in turns.")] = 5,
    seconds: Annotated[float, typer.Option(min=5, help="Game time of each.")] = 30.0,
    busy: Annotated[Optional[int], typer.Option(min=1, help="Busy processes; default: one a core.")] = None,  # noqa: UP045
    seed: Seed = 1,
    sets: Sets = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """FPS of the game and of the loop on cores that are busy, with loop.adaptive and without."""
    from aimbot.commands.arena import measure_load

    measure_load(scenario, pairs, seconds, busy, seed, sets or [], out, as_json)
