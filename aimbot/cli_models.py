"""The commands of models and their data. Each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from aimbot.cli_options import (
    Backend,
    Cfg,
    Images,
    InsteadModel,
    Json,
    Labels,
    Model,
    Names,
    Out,
    Predictions,
    Sets,
    Split,
    Weights,
    print_result,
)

app = typer.Typer()
convert_app = typer.Typer(help="Models in, models out.", no_args_is_help=True)
labels_app = typer.Typer(
    help="Labelled data: check it, convert it, make frames to label.", no_args_is_help=True
)
app.add_typer(convert_app, name="convert")
app.add_typer(labels_app, name="labels")


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
    print_result(run_detect(source, settings, sets or [], out, predictions, track), as_json)


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
    print_result(
        run_evaluate(data, split, images, annotations, settings, predictions, out, class_agnostic), as_json
    )


@app.command()
def dataset(
    out: Annotated[Path, typer.Option(metavar="DIR")],
    split: Annotated[Literal["train", "validation", "reserved"], typer.Option()] = "reserved",
    frames: Annotated[int, typer.Option(min=1)] = 600,
    seed: int = 1,
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
    seed: int = 1,
    tensorboard: Annotated[Optional[Path], typer.Option(metavar="DIR", help="Log there, too.")] = None,  # noqa: UP045
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished training of --out, if there is one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on labelled frames, on any backend of Keras (KERAS_BACKEND): a cfg, or a model anew."""
    from aimbot.commands.models import plan_training
    from aimbot.commands.models import train as run_train

    settings = plan_training(
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
    print_result(run_train(settings), as_json)


@convert_app.command("onnx")
def convert_onnx(
    out: Annotated[Path, typer.Option(metavar="FILE.onnx")],
    cfg: Cfg = None,
    weights: Weights = None,
    names: Names = None,
    model: InsteadModel = None,
    pixels: Annotated[Literal["bgr", "bgra"], typer.Option(help="What the graph takes.")] = "bgr",
    candidates: Annotated[
        int, typer.Option(min=1, max=3840, help="The most boxes that it decodes, best first.")
    ] = 300,
    nms: Annotated[bool, typer.Option("--nms", help="Suppress overlapping boxes inside the graph.")] = False,
    iou: Annotated[float, typer.Option(min=0.01, max=1.0, help="Of --nms: the most overlap.")] = 0.55,
    as_json: Json = False,
) -> None:
    """To an ONNX that takes captured pixels and gives boxes."""
    from aimbot.commands.models import choose_form, convert_to_onnx

    form = choose_form(pixels, candidates, iou if nms else None)
    print_result(convert_to_onnx(cfg, weights, names, model, out, form), as_json)


@convert_app.command("saved-model")
def convert_saved_model(
    out: Annotated[Path, typer.Option(metavar="DIR")],
    cfg: Cfg = None,
    weights: Weights = None,
    names: Names = None,
    model: InsteadModel = None,
    as_json: Json = False,
) -> None:
    """To a TensorFlow SavedModel that takes captured pixels."""
    from aimbot.commands.saved_models import convert_to_saved_model

    print_result(convert_to_saved_model(cfg, weights, names, model, out), as_json)


@convert_app.command("tf-trt")
def convert_tftrt(
    saved_model: Annotated[Path, typer.Option(metavar="DIR", help="Of `convert saved-model`.")],
    precision: Annotated[Literal["int8", "fp16", "fp32"], typer.Option()],
    out: Annotated[Path, typer.Option(metavar="DIR")],
    calibration: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="SOURCE", help="Recorded frames, which int8 needs."),
    ] = None,
    as_json: Json = False,
) -> None:
    """A SavedModel to TensorFlow's TensorRT, where TensorFlow has it (docs/tf-trt.md)."""
    from aimbot.commands.saved_models import convert_to_tftrt

    print_result(convert_to_tftrt(saved_model, precision, calibration, out), as_json)


@convert_app.command("darknet")
def convert_darknet(
    model: Annotated[str, typer.Option(help="An .onnx file of ours, FP32 or INT8, or a name under models/.")],
    out: Annotated[Path, typer.Option(metavar="FILE.weights", help="FILE.cfg and FILE.names go beside it.")],
    as_json: Json = False,
) -> None:
    """Our ONNX back to Darknet's cfg and weights."""
    from aimbot.commands.models import convert_to_darknet

    print_result(convert_to_darknet(model, out), as_json)


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

    print_result(convert_to_int8(model, calibration, validation, method, max_drop, force, out), as_json)


@convert_app.command("parity")
def convert_parity(
    first: Annotated[str, typer.Argument(metavar="A", help="A name under models/, or a file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another, with the same classes.")],
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="SOURCE", help="A recording, images; default: the shipped recording."),
    ] = None,
    backend: Backend = None,
    sets: Sets = None,
    min_matched: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0.0, max=1.0, help="Exit code 1 if a smaller share of the boxes is matched."),
    ] = None,
    min_iou: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0.0, max=1.0, help="Exit code 1 if matched boxes overlap less, on average."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Do two models see the same boxes in the same frames?"""
    from aimbot.commands.common import gather_settings
    from aimbot.commands.parity import compare_models, explain_shortfall, print_shortfall

    settings = gather_settings("default", _model_sets(sets, None, backend))
    result = compare_models(first, second, source, settings.detector)
    print_result(result, as_json)
    shortfall = explain_shortfall(result, min_matched, min_iou)
    if shortfall:
        print_shortfall(shortfall)
        raise typer.Exit(1)


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

    settings = gather_settings("default", _model_sets(sets, model, backend))
    print_result(export_session(source, out, every_s, min_change, prelabel, settings), as_json)


def _model_sets(sets: list[str] | None, model: str | None, backend: str | None) -> list[str]:
    extra = [f'detector.model="{model}"'] if model else []
    extra += [f'detector.backend="{backend}"'] if backend else []
    return [*(sets or []), *extra]
