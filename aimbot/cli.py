"""The command line. Each command imports what it needs when it runs, so that --help is instant."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from aimbot import cli_benchmark, cli_convert, cli_models
from aimbot.cli_options import (
    Json,
    Monitor,
    Out,
    Profile,
    RegionText,
    Seconds,
    Seed,
    Sets,
    Window,
    print_result,
)
from capture.errors import UserError, blame_paths

app = typer.Typer(
    name="run_aimbot.py",
    help="A measured aim assistant for local games. It refuses games protected by an anti-cheat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_benchmark.app, name="benchmark")
app.add_typer(cli_models.app)
app.add_typer(cli_convert.app, name="convert")

UsageError: Any = typer.BadParameter.__base__  # Typer has no name of its own for it


def main() -> None:
    """Run the command line; wrong input is one line on stderr and exit code 2."""
    # What is ended from outside unwinds as any other (commands that fire have handlers of their own).
    for name in ("SIGTERM", "SIGQUIT", "SIGHUP"):  # SIGHUP: the terminal closes; Windows has the first
        if number := getattr(signal, name, None):
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    # OpenCV would say of an unreadable video, in its own lines, what the error says.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's word for quiet
    try:
        with blame_paths():
            sys.exit(_call_app())
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def _call_app() -> Any:
    """The exit code of the command; UserError, a line, in place of Typer's box about a wrong option."""
    try:
        return app(standalone_mode=False)
    except UsageError as error:
        message = " ".join(error.format_message().split())
        if not message:  # nothing was given, and the help has been printed
            return error.exit_code
        where = error.ctx.command_path if error.ctx else "run_aimbot.py"
        raise UserError(f"{message.rstrip('.')}; see `{where} --help`") from error


def _show_version(value: bool) -> None:
    if value:
        from importlib import metadata

        typer.echo(metadata.version("local-aim-assistant"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=5, help="Length of each game.")] = 60.0,
    out: Out = None,
    seed: Seed = 1,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """A real game in a window, the assistant playing it, and a report in runs/."""
    from aimbot.commands.demo import demo as run_demo
    from aimbot.commands.demo import print_summary

    summary = run_demo(seconds, out, seed, sets or [])
    if as_json:
        print_result(summary, True)
    else:
        print_summary(summary)


@app.command()
def run(
    window: Window = None,
    region: RegionText = None,
    monitor: Monitor = None,
    profile: Profile = "default",
    sets: Sets = None,
    arm: Annotated[Optional[Literal["hold", "toggle", "always"]], typer.Option()] = None,  # noqa: UP045
    no_fire: Annotated[bool, typer.Option("--no-fire", help="Never press a button.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Move nothing; show what it would do.")] = False,
    record: Annotated[Optional[Path], typer.Option(metavar="DIR", help="Record the session.")] = None,  # noqa: UP045
    seconds: Seconds = None,
    as_json: Json = False,
) -> None:
    """Assist in a local game that is on the screen."""
    from aimbot.commands.common import Where
    from aimbot.commands.run import run as run_live

    where = Where(window, region, monitor)
    print_result(run_live(where, profile, sets or [], arm, no_fire, dry_run, record, seconds), as_json)


@app.command()
def replay(
    source: Annotated[Path, typer.Argument(help="A session folder, a video, an image folder.")],
    profile: Annotated[Optional[str], typer.Option(help="Default: the session's own settings.")] = None,  # noqa: UP045
    sets: Sets = None,
    out: Out = None,
    video: Annotated[bool, typer.Option("--video", help="Write an annotated video to --out.")] = False,
    redetect: Annotated[bool, typer.Option("--redetect", help="Detect anew, also in a session.")] = False,
    as_json: Json = False,
) -> None:
    """Run a recording through the live loop and compare with what was decided then."""
    from aimbot.commands.replay import replay as run_replay

    print_result(run_replay(source, profile, sets or [], out, video, redetect), as_json)


@app.command()
def record(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The session folder to make.")],
    window: Window = None,
    region: RegionText = None,
    monitor: Monitor = None,
    profile: Profile = "default",
    sets: Sets = None,
    seconds: Seconds = None,
    as_json: Json = False,
) -> None:
    """Record a window or a part of the screen, lossless."""
    from aimbot.commands.common import Where
    from aimbot.commands.run import record as run_record

    print_result(run_record(Where(window, region, monitor), profile, sets or [], out, seconds), as_json)


@app.command()
def calibrate(
    window: Annotated[str, typer.Option(help="Part of the title of a running local game's window.")],
    profile: Profile = "default",
    sets: Sets = None,
    out: Annotated[Optional[Path], typer.Option(metavar="FILE", help="The profile to write.")] = None,  # noqa: UP045
    plot: Annotated[Optional[Path], typer.Option(metavar="FILE", help="A PNG of shift over counts.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Measure a game's degrees per count, field of view and display latency, for its profile."""
    from aimbot.commands.calibrate import calibrate as run_calibrate

    print_result(run_calibrate(window, profile, sets or [], out, plot), as_json)


@app.command()
def tune(
    wish: Annotated[str, typer.Option(metavar="fast|calm", help="What to look for.")] = "fast",
    profile: Profile = "default",
    sets: Sets = None,
    session: Annotated[Optional[Path], typer.Option(metavar="DIR", help="A recorded session.")] = None,  # noqa: UP045
    frame_hz: Annotated[Optional[float], typer.Option(min=10, max=500, help="Of the game.")] = None,  # noqa: UP045
    seeds: Annotated[int, typer.Option(min=2, help="Episodes of each scene to search on.")] = 4,
    out: Annotated[Optional[Path], typer.Option(metavar="FILE.toml", help="The profile to write.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Find settings for a wish in the simulated game, and show what each change does."""
    from aimbot.commands.tune import tune as run_tune

    run_tune(wish, profile, sets or [], session, frame_hz, seeds, out, as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What this machine has, and what mends what it lacks."""
    from aimbot.commands.doctor import diagnose

    print_result(diagnose(), as_json)


if __name__ == "__main__":
    main()
