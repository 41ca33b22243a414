"""The converters' commands: models in, models out. Each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from aimbot.cli_options import (
    Backend,
    Cfg,
    InsteadModel,
    Json,
    Names,
    Sets,
    Weights,
    model_sets,
    print_result,
)

app = typer.Typer(help="Models in, models out.", no_args_is_help=True)


@app.command("onnx")
def convert_onnx(
    out: Annotated[Path, typer.Option(metavar="FILE.onnx")],
    cfg: Cfg = None,
    weights: Weights = None,
    names: Names = None,
    model: InsteadModel = None,
    pixels: Annotated[Literal["bgr", "bgra"], typer.Option(help="What the graph takes.")] = "bgr",
    candidates: Annotated[
        int,
        typer.Option(min=1, max=3840, help="The most boxes that it decodes, best first."),  # TensorRT's TopK
    ] = 300,
    nms: Annotated[bool, typer.Option("--nms", help="Suppress overlapping boxes inside the graph.")] = False,
    iou: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0.01, max=1.0, help="Of --nms: the most overlap; default: 0.55."),
    ] = None,
    as_json: Json = False,
) -> None:
    """To an ONNX that takes captured pixels and gives boxes."""
    from aimbot.commands.models import choose_form, convert_to_onnx

    form = choose_form(pixels, candidates, nms, iou)
    print_result(convert_to_onnx(cfg, weights, names, model, out, form), as_json)


@app.command("saved-model")
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


@app.command("tf-trt")
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


@app.command("darknet")
def convert_darknet(
    model: Annotated[str, typer.Option(help="An .onnx file of ours, FP32 or INT8, or a name under models/.")],
    out: Annotated[Path, typer.Option(metavar="FILE.weights", help="FILE.cfg and FILE.names go beside it.")],
    as_json: Json = False,
) -> None:
    """Our ONNX back to Darknet's cfg and weights."""
    from aimbot.commands.models import convert_to_darknet

    print_result(convert_to_darknet(model, out), as_json)


@app.command("int8")
def convert_int8(
    model: Annotated[str, typer.Option(help="An FP32 .onnx file, of `convert onnx`.")],
    calibration: Annotated[Path, typer.Option(metavar="SOURCE", help="Recorded frames.")],
    out: Annotated[Path, typer.Option(metavar="FILE.onnx")],
    validation: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="LABELS", help="Labelled frames, for the gate."),
    ] = None,
    method: Annotated[Literal["entropy", "minmax", "percentile"], typer.Option()] = "percentile",
    max_drop: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Of --validation: points of mAP50 that may be lost; default: 0.5."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Of --validation: write it all the same.")] = False,
    keep_float: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Leave the N most sensitive convolutions in float; default: as needed."),
    ] = None,
    as_json: Json = False,
) -> None:
    """FP32 to INT8, refused if it sees less."""
    from aimbot.commands.int8 import convert_to_int8

    print_result(
        convert_to_int8(model, calibration, validation, method, max_drop, force, keep_float, out), as_json
    )


@app.command("parity")
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

    settings = gather_settings("default", model_sets(sets, None, backend))
    result = compare_models(first, second, source, settings.detector)
    print_result(result, as_json)
    shortfall = explain_shortfall(result, min_matched, min_iou)
    if shortfall:
        print_shortfall(shortfall)
        raise typer.Exit(1)


@app.command("tensorrt")
def convert_tensorrt(
    model: Annotated[str, typer.Option(help="An .onnx file, or a name under models/.")],
    out: Annotated[Path, typer.Option(metavar="FILE.engine")],
    precision: Annotated[
        Optional[Literal["int8", "fp16", "fp32"]],  # noqa: UP045
        typer.Option(help="Default: INT8 of an INT8 model, or else FP16."),
    ] = None,
    compute_capability: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="X.Y", help="Of cards that are not here, as 8.6; RTX only; may be repeated."),
    ] = None,
    runtime: Annotated[
        Optional[Literal["rtx", "classic"]],  # noqa: UP045
        typer.Option(help="TensorRT-RTX, or TensorRT 8.5 to 11; default: what is installed for the card."),
    ] = None,
    as_json: Json = False,
) -> None:
    """ONNX to a TensorRT engine for the card here, or for named ones."""
    from aimbot.commands.models import convert_to_tensorrt

    print_result(convert_to_tensorrt(model, out, precision, compute_capability or [], runtime), as_json)


@app.command("triton")
def convert_triton(
    model: Annotated[str, typer.Option(help="A name under models/, an .onnx file, or an .engine file.")],
    out: Annotated[Path, typer.Option(metavar="REPOSITORY", help="The models of a server, a folder each.")],
    as_json: Json = False,
) -> None:
    """A model into the repository of a Triton server, to run on another computer (docs/triton.md)."""
    from aimbot.commands.models import convert_to_triton

    print_result(convert_to_triton(model, out), as_json)
