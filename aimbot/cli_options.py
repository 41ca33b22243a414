"""What the commands share: their options, and how a result is printed."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

Profile = Annotated[str, typer.Option(help="A profile's name, or a .toml file.")]
Sets = Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")]  # noqa: UP045
Window = Annotated[Optional[str], typer.Option(help="Part of a window's title.")]  # noqa: UP045
RegionText = Annotated[Optional[str], typer.Option(metavar="X,Y,W,H", help="A part of the screen.")]  # noqa: UP045
Monitor = Annotated[Optional[int], typer.Option(help="A monitor, from 1; 0 is all of them.")]  # noqa: UP045
Seconds = Annotated[Optional[float], typer.Option(min=0.1, help="Stop after this time.")]  # noqa: UP045
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Out = Annotated[Optional[Path], typer.Option(help="A folder for the results.")]  # noqa: UP045
Model = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="A name under models/, an .onnx or .engine file, a SavedModel, a triton:// URL."),
]
Backend = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="auto, openvino, onnx, tensorrt, tensorflow or triton."),
]
Predictions = Annotated[Optional[Path], typer.Option(metavar="FILE", help="Write COCO results JSON.")]  # noqa: UP045

Cfg = Annotated[Optional[Path], typer.Option(metavar="FILE", help="A Darknet cfg.")]  # noqa: UP045
Weights = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        metavar="FILE", help="Of --cfg: Darknet's .weights, Keras's .weights.h5 or .keras; random without."
    ),
]
Names = Annotated[Optional[Path], typer.Option(metavar="FILE", help="Class names, one a line.")]  # noqa: UP045
InsteadModel = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Instead: an .onnx file of ours, FP32 or INT8, or a name under models/."),
]

Labels = Annotated[Path, typer.Argument(help="A COCO .json, a data.yaml, or a folder with labels.")]
Images = Annotated[Optional[Path], typer.Option(metavar="DIR", help="Where a COCO file's images are.")]  # noqa: UP045
Split = Annotated[str, typer.Option(help="Which part, where the data has parts: train, val, test.")]


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on stdout, and nothing else."""
    sys.stdout.write(json.dumps(data) + "\n")


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """One JSON object on stdout: a line for a script, or else indented and coloured."""
    if as_json:
        print_json(result)
        return
    from rich import print_json as print_pretty

    print_pretty(data=result)


def model_sets(sets: list[str] | None, model: str | None, backend: str | None) -> list[str]:
    """`--set` with what `--model` and `--backend` say."""
    extra = [f"detector.model={json.dumps(model, ensure_ascii=False)}"] if model else []
    extra += [f'detector.backend="{backend}"'] if backend else []
    return [*(sets or []), *extra]
