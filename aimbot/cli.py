"""The command line. Each command imports what it needs when it runs, so that --help is instant."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from capture.errors import UserError

app = typer.Typer(
    name="run_aimbot.py",
    help="A measured aim assistant for local games. It refuses games protected by an anti-cheat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
convert_app = typer.Typer(help="Models in, models out.", no_args_is_help=True)
benchmark_app = typer.Typer(help="Figures, measured here and now.", no_args_is_help=True)
app.add_typer(convert_app, name="convert")
app.add_typer(benchmark_app, name="benchmark")

Profile = Annotated[str, typer.Option(help="A profile's name, or a .toml file.")]
Sets = Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")]  # noqa: UP045
Window = Annotated[Optional[str], typer.Option(help="Part of a window's title.")]  # noqa: UP045
RegionText = Annotated[Optional[str], typer.Option(metavar="X,Y,W,H", help="A part of the screen.")]  # noqa: UP045
Monitor = Annotated[Optional[int], typer.Option(help="A monitor, from 1; 0 is all of them.")]  # noqa: UP045
Seconds = Annotated[Optional[float], typer.Option(min=0.1, help="Stop after this time.")]  # noqa: UP045
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Out = Annotated[Optional[Path], typer.Option(help="A folder for the results.")]  # noqa: UP045
Model = Annotated[Optional[str], typer.Option(help="A name under models/, or an .onnx file.")]  # noqa: UP045
Backend = Annotated[Optional[str], typer.Option(help="auto, openvino or onnx.")]  # noqa: UP045
Predictions = Annotated[Optional[Path], typer.Option(metavar="FILE", help="Write COCO results JSON.")]  # noqa: UP045


def main() -> None:
    """Run the command line; wrong input is one line on stderr and exit code 2."""
    # A terminated run unwinds as any other: the safety envelope releases the button on its way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


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


def _print(result: dict[str, Any], as_json: bool) -> None:
    from aimbot.commands.common import print_json

    if as_json:
        print_json(result)
        return
    from rich import print_json as print_pretty

    print_pretty(data=result)


def _model_sets(sets: list[str] | None, model: str | None, backend: str | None) -> list[str]:
    extra = [f'detector.model="{model}"'] if model else []
    extra += [f'detector.backend="{backend}"'] if backend else []
    return [*(sets or []), *extra]


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=5, help="Length of each game.")] = 60.0,
    out: Out = None,
    seed: int = 1,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """A real game in a window, the assistant playing it, and a report in runs/."""
    from aimbot.commands.demo import demo as run_demo
    from aimbot.commands.demo import print_summary

    summary = run_demo(seconds, out, seed, sets or [])
    if as_json:
        _print(summary, True)
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
    _print(run_live(where, profile, sets or [], arm, no_fire, dry_run, record, seconds), as_json)


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

    _print(run_replay(source, profile, sets or [], out, video, redetect), as_json)


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

    _print(run_record(Where(window, region, monitor), profile, sets or [], out, seconds), as_json)


@app.command()
def detect(
    source: Annotated[Path, typer.Argument(help="An image, an image folder, a video, a session.")],
    model: Model = None,
    backend: Backend = None,
    sets: Sets = None,
    out: Out = None,
    predictions: Predictions = None,
    as_json: Json = False,
) -> None:
    """Find boxes in pictures, and draw them."""
    from aimbot.commands.common import gather_settings
    from aimbot.commands.replay import detect as run_detect

    settings = gather_settings("default", _model_sets(sets, model, backend))
    _print(run_detect(source, settings, out, predictions), as_json)


@app.command()
def evaluate(
    images: Annotated[Path, typer.Option(metavar="DIR")],
    annotations: Annotated[Path, typer.Option(metavar="COCO.json")],
    model: Model = None,
    backend: Backend = None,
    sets: Sets = None,
    predictions: Predictions = None,
    as_json: Json = False,
) -> None:
    """COCO mAP of a model on labelled images."""
    from aimbot.commands.common import gather_settings
    from aimbot.commands.replay import evaluate as run_evaluate

    settings = gather_settings("default", _model_sets(sets, model, backend))
    _print(run_evaluate(images, annotations, settings, predictions), as_json)


@app.command()
def dataset(
    out: Annotated[Path, typer.Option(metavar="DIR")],
    split: Annotated[Literal["train", "validation", "reserved"], typer.Option()] = "reserved",
    frames: Annotated[int, typer.Option(min=1)] = 600,
    seed: int = 1,
    as_json: Json = False,
) -> None:
    """Make labelled frames from the arena's maps."""
    from aimbot.commands.models import make_frames

    _print(make_frames(out, split, frames, seed), as_json)


@app.command()
def train(
    data: Annotated[list[Path], typer.Option(metavar="DIR", help="A COCO folder; may be repeated.")],
    cfg: Annotated[Path, typer.Option(metavar="FILE")],
    out: Annotated[Path, typer.Option(metavar="FILE.weights")],
    init: Annotated[Optional[Path], typer.Option(metavar="FILE.weights")] = None,  # noqa: UP045
    minutes: Annotated[float, typer.Option(min=0.1)] = 15.0,
    batch: Annotated[int, typer.Option(min=1)] = 64,
    peak_rate: float = 1.5e-3,
    seed: int = 1,
    as_json: Json = False,
) -> None:
    """Train a Darknet cfg on labelled frames, for a given time."""
    from aimbot.commands.models import train as run_train

    _print(run_train(data, cfg, out, minutes, batch, peak_rate, seed, init), as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What this machine has, and what mends what it lacks."""
    from aimbot.commands.doctor import diagnose

    _print(diagnose(), as_json)


@convert_app.command("onnx")
def convert_onnx(
    cfg: Annotated[Path, typer.Option(metavar="FILE")],
    out: Annotated[Path, typer.Option(metavar="FILE.onnx")],
    weights: Annotated[Optional[Path], typer.Option(metavar="FILE")] = None,  # noqa: UP045
    names: Annotated[Optional[Path], typer.Option(metavar="FILE", help="Class names, one a line.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Darknet to an ONNX that takes captured pixels."""
    from aimbot.commands.models import convert_to_onnx

    _print(convert_to_onnx(cfg, weights, names, out), as_json)


@convert_app.command("darknet")
def convert_darknet(
    model: Annotated[str, typer.Option(help="An .onnx file of ours, FP32 or INT8, or a name under models/.")],
    out: Annotated[Path, typer.Option(metavar="FILE.weights", help="FILE.cfg and FILE.names go beside it.")],
    as_json: Json = False,
) -> None:
    """Our ONNX back to Darknet's cfg and weights."""
    from aimbot.commands.models import convert_to_darknet

    _print(convert_to_darknet(model, out), as_json)


@convert_app.command("int8")
def convert_int8(
    model: Annotated[str, typer.Option(help="An FP32 .onnx file, or a name under models/.")],
    calibration: Annotated[Path, typer.Option(metavar="SOURCE", help="Recorded frames.")],
    out: Annotated[Path, typer.Option(metavar="FILE.onnx")],
    validation: Annotated[Optional[Path], typer.Option(metavar="COCO.json")] = None,  # noqa: UP045
    method: Annotated[Literal["entropy", "minmax", "percentile"], typer.Option()] = "percentile",
    max_drop: Annotated[float, typer.Option(help="Points of mAP50 that may be lost.")] = 0.5,
    force: Annotated[bool, typer.Option("--force", help="Write it all the same.")] = False,
    as_json: Json = False,
) -> None:
    """FP32 to INT8, refused if it sees less."""
    from aimbot.commands.models import convert_to_int8

    _print(convert_to_int8(model, calibration, validation, method, max_drop, force, out), as_json)


@benchmark_app.command("loop")
def benchmark_loop(
    source: Annotated[Optional[Path], typer.Option(help="Frames; default: the shipped recording.")] = None,  # noqa: UP045
    profile: Profile = "doom",
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """The whole loop's speed over that of its detector."""
    from aimbot.commands.benchmark import measure_loop

    measure_loop(source, profile, sets or [], as_json)


@benchmark_app.command("detector")
def benchmark_detector(
    model: Annotated[Optional[list[str]], typer.Option(help="May be repeated.")] = None,  # noqa: UP045
    source: Annotated[Optional[Path], typer.Option(help="Frames; default: the shipped recording.")] = None,  # noqa: UP045
    rounds: Annotated[int, typer.Option(min=2)] = 200,
    as_json: Json = False,
) -> None:
    """Latency of models and back ends, in turns."""
    from aimbot.commands.benchmark import measure_detector

    measure_detector(model or ["doom-tiny"], source, rounds, as_json)


if __name__ == "__main__":
    main()
