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
labels_app = typer.Typer(
    help="Labelled data: check it, convert it, make frames to label.", no_args_is_help=True
)
app.add_typer(labels_app, name="labels")

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

Labels = Annotated[Path, typer.Argument(help="A COCO .json, a data.yaml, or a folder with labels.")]
Images = Annotated[Optional[Path], typer.Option(metavar="DIR", help="Where a COCO file's images are.")]  # noqa: UP045
Split = Annotated[str, typer.Option(help="Which part, where the data has parts: train, val, test.")]


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
    track: Annotated[
        bool,
        typer.Option(
            "--track",
            help="Number each target over the frames, with the tracker that aims. A session's counts "
            "tell it how the view turned; a plain video has none: there a quick turn can change the numbers.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Find boxes in pictures, and draw them."""
    from aimbot.commands.common import gather_settings
    from aimbot.commands.replay import detect as run_detect

    settings = gather_settings("default", _model_sets(sets, model, backend))
    _print(run_detect(source, settings, sets or [], out, predictions, track), as_json)


@app.command()
def evaluate(
    images: Images = None,
    annotations: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="COCO.json", help="The labels of --images."),
    ] = None,
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="PATH", help="Instead: a COCO .json, a data.yaml, or a folder with labels."),
    ] = None,
    split: Split = "validation",
    model: Model = None,
    backend: Backend = None,
    sets: Sets = None,
    predictions: Predictions = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Write the figures, a plot, and sheets of the worst mistakes."),
    ] = None,
    class_agnostic: Annotated[
        bool, typer.Option("--class-agnostic", help="A box counts whatever its class.")
    ] = False,
    as_json: Json = False,
) -> None:
    """COCO mAP of a model on labelled images: of all boxes, by class, by height."""
    from aimbot.commands.common import gather_settings
    from aimbot.commands.replay import evaluate as run_evaluate

    settings = gather_settings("default", _model_sets(sets, model, backend))
    _print(
        run_evaluate(data, split, images, annotations, settings, predictions, out, class_agnostic), as_json
    )


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
    out: Annotated[Path, typer.Option(metavar="FILE.weights", help="Logs and pictures lie beside it.")],
    validation: Annotated[Optional[Path], typer.Option(metavar="DIR", help="To measure mAP50 on.")] = None,  # noqa: UP045
    validate_every: Annotated[int, typer.Option(min=1, metavar="EPOCHS")] = 5,
    init: Annotated[Optional[Path], typer.Option(metavar="FILE.weights", help="Where to start.")] = None,  # noqa: UP045
    freeze: Annotated[
        Literal["nothing", "backbone"], typer.Option(help="Leave the layers under all heads as they are.")
    ] = "nothing",
    epochs: Annotated[Optional[int], typer.Option(min=1, help="Passes over the frames; default 60.")] = None,  # noqa: UP045
    minutes: Annotated[Optional[float], typer.Option(min=0.05, help="Instead: a time to end at.")] = None,  # noqa: UP045
    batch: Annotated[int, typer.Option(min=1)] = 64,
    peak_rate: Annotated[float, typer.Option(min=1e-7)] = 1.5e-3,
    mosaic_share: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.6,
    precision: Annotated[Literal["auto", "float32", "mixed_bfloat16"], typer.Option()] = "auto",
    seed: int = 1,
    tensorboard: Annotated[Optional[Path], typer.Option(metavar="DIR", help="Log there, too.")] = None,  # noqa: UP045
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished training of --out, if there is one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a Darknet cfg on labelled frames, on any backend of Keras (KERAS_BACKEND)."""
    from aimbot.commands.models import train as run_train
    from detection.training.settings import TrainSettings

    settings = TrainSettings(
        data=tuple(data),
        cfg=cfg,
        out=out,
        validation=validation,
        validate_every=validate_every,
        init=init,
        freeze=freeze,
        epochs=epochs,
        minutes=minutes,
        batch=batch,
        peak_rate=peak_rate,
        mosaic_share=mosaic_share,
        precision=precision,
        seed=seed,
        tensorboard=tensorboard,
        resume=resume,
    )
    _print(run_train(settings), as_json)


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


@labels_app.command("check")
def labels_check(
    source: Labels, images: Images = None, split: Split = "train", as_json: Json = False
) -> None:
    """Count images and boxes, and list what is wrong with them."""
    from aimbot.commands.datasets import check_labels

    report, faults = check_labels(source, images, split)
    _print(report, as_json)
    faults.raise_any()


@labels_app.command("convert")
def labels_convert(
    source: Labels,
    to: Annotated[Literal["coco", "yolo"], typer.Option()],
    out: Annotated[Path, typer.Option(metavar="DIR")],
    images: Images = None,
    split: Split = "train",
    link: Annotated[bool, typer.Option("--link", help="Hard-link the images instead of copying.")] = False,
    as_json: Json = False,
) -> None:
    """Labelled data in another layout."""
    from aimbot.commands.datasets import convert_labels

    _print(convert_labels(source, images, split, to, out, link), as_json)


@labels_app.command("export")
def labels_export(
    source: Annotated[Path, typer.Argument(help="A session folder, a video, an image folder.")],
    out: Annotated[Path, typer.Option(metavar="DIR")],
    every_s: Annotated[float, typer.Option(min=0.01, help="Time between frames.")] = 0.5,
    min_change: Annotated[float, typer.Option(min=0.0, help="Grey levels between frames, the mean.")] = 1.0,
    prelabel: Annotated[
        Optional[Literal["coco", "yolo"]],  # noqa: UP045
        typer.Option(help="Write the model's boxes too, to be corrected."),
    ] = None,
    model: Model = None,
    backend: Backend = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Frames of a recording as images to label."""
    from aimbot.commands.common import gather_settings
    from aimbot.commands.datasets import export_session

    settings = gather_settings("default", _model_sets(sets, model, backend))
    _print(export_session(source, out, every_s, min_change, prelabel, settings), as_json)


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

    measure_detector(model or ["doom-nano", "doom-tiny"], source, rounds, as_json)


if __name__ == "__main__":
    main()
