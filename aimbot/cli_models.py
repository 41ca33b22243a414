"""The commands of models and their data. Each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from aimbot.cli_options import (
    Backend,
    Images,
    Json,
    Labels,
    Model,
    Predictions,
    Seed,
    Sets,
    Split,
    model_sets,
    print_result,
)

app = typer.Typer()
labels_app = typer.Typer(
    help="Labelled data: check it, convert it, make frames to label.", no_args_is_help=True
)
app.add_typer(labels_app, name="labels")


@app.command()
def detect(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SOURCE", help="Images, image folders, videos, sessions.")
    ],
    model: Model = None,
    backend: Backend = None,
    sets: Sets = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="A folder for the pictures; of several sources, one in it each."),
    ] = None,
    predictions: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE|DIR", help="Write COCO results JSON; of several sources, a file each."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, metavar="N", help="Detect in N sources at once, a process each.")
    ] = 1,
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
    from aimbot.commands.detect import detect as run_detect
    from aimbot.commands.detect import raise_failures

    settings = gather_settings("default", model_sets(sets, model, backend))
    result = run_detect(sources, settings, sets or [], out, predictions, track, jobs)
    print_result(result, as_json)
    raise_failures(result)


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

    settings = gather_settings("default", model_sets(sets, model, backend))
    print_result(
        run_evaluate(data, split, images, annotations, settings, predictions, out, class_agnostic), as_json
    )


@app.command()
def dataset(
    out: Annotated[Path, typer.Option(metavar="DIR")],
    split: Annotated[Literal["train", "validation", "reserved"], typer.Option()] = "reserved",
    frames: Annotated[int, typer.Option(min=1)] = 600,
    seed: Seed = 1,
    thing: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="CLASS", help="Label this class of the game's, such as ExplosiveBarrel."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make labelled frames from the arena's maps."""
    from aimbot.commands.models import make_frames

    print_result(make_frames(out, split, frames, seed, thing), as_json)


@app.command()
def train(
    data: Annotated[list[Path], typer.Option(metavar="PATH", help="A data set; may be repeated.")],
    out: Annotated[Path, typer.Option(metavar="FILE.weights", help="Logs and pictures lie beside it.")],
    cfg: Annotated[Optional[Path], typer.Option(metavar="FILE", help="Default: the model's own.")] = None,  # noqa: UP045
    validation: Annotated[Optional[Path], typer.Option(metavar="DIR", help="To measure mAP50 on.")] = None,  # noqa: UP045
    validate_every: Annotated[int, typer.Option(min=1, metavar="EPOCHS")] = 5,
    init: Annotated[Optional[str], typer.Option(metavar="MODEL", help="A model, or .weights.")] = None,  # noqa: UP045
    freeze: Annotated[
        Literal["nothing", "backbone"], typer.Option(help="Leave the layers under all heads as they are.")
    ] = "nothing",
    epochs: Annotated[Optional[int], typer.Option(min=1, help="Passes over the frames; default 60.")] = None,  # noqa: UP045
    minutes: Annotated[Optional[float], typer.Option(min=0.05, help="Instead: a time to end at.")] = None,  # noqa: UP045
    batch: Annotated[int, typer.Option(min=1)] = 64,
    peak_rate: Annotated[float, typer.Option(min=1e-7)] = 1.5e-3,
    mosaic_share: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.6,
    precision: Annotated[Literal["auto", "float32", "mixed_bfloat16"], typer.Option()] = "auto",
    seed: Seed = 1,
    tensorboard: Annotated[Optional[Path], typer.Option(metavar="DIR", help="Log there, too.")] = None,  # noqa: UP045
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished training of --out, if there is one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on labelled frames, on any backend of Keras (KERAS_BACKEND): a cfg, or a model anew."""
    from aimbot.commands.models import plan_training
    from aimbot.commands.models import train as run_train

    settings, inputs = plan_training(
        data,
        cfg,
        init,
        out,
        validation=validation,
        validate_every=validate_every,
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
    print_result(run_train(settings, inputs), as_json)


@labels_app.command("check")
def labels_check(
    source: Labels, images: Images = None, split: Split = "train", as_json: Json = False
) -> None:
    """Count images and boxes, and list what is wrong with them."""
    from aimbot.commands.datasets import check_labels

    report, faults = check_labels(source, images, split)
    print_result(report, as_json)
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

    print_result(convert_labels(source, images, split, to, out, link), as_json)


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

    settings = gather_settings("default", model_sets(sets, model, backend))
    print_result(export_session(source, out, every_s, min_change, prelabel, settings), as_json)
