"""`dataset` and `train`: frames to learn from, and the learning; `convert`: models in, models out."""

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aimbot.commands.common import check_file, check_suffix, print_note, require_vizdoom
from capture.errors import UserError
from converters.decoding import Suppression
from converters.deploy import DeployForm, Pixels
from detection.training.settings import TrainSettings

if TYPE_CHECKING:
    from detection.training.inputs import Inputs


def make_frames(out: Path, split: str, frames: int, seed: int, thing: str | None) -> dict[str, Any]:
    """Labelled frames of a split's maps, of the monsters or of another thing; returns the manifest."""
    require_vizdoom("dataset", "arena")
    from arena.dataset import make_dataset

    manifest = make_dataset(out, split, frames, seed, thing=thing)
    if thing and not manifest["boxes"]:
        raise UserError(
            f"expected things of a class {thing!r} in the {split} maps, saw none; see docs/datasets.md"
        )
    return {"out": str(out), **manifest}


def plan_training(
    data: Sequence[Path], cfg: Path | None, init: str | None, out: Path, **others: Any
) -> tuple[TrainSettings, "Inputs"]:
    """The settings of a training, and what it reads, all of it before a file is written.

    `init` is a file of Darknet's weights, or a model, by name or .onnx file. A model needs no cfg: its own is
    written beside `out`, for as many classes as the data has. UserError if there is neither, and for what
    does not fit.
    """
    from converters.darknet import read_darknet
    from detection.darknet import parse_cfg, set_classes
    from detection.detector import find_model
    from detection.training.dataset import join_datasets
    from detection.training.formats import read_dataset
    from detection.training.inputs import read_inputs
    from detection.weights import write_weights

    check_file(out)
    if init is None or init.endswith(".weights") or (not init.endswith(".onnx") and Path(init).is_file()):
        if cfg is None:
            raise UserError("expected --cfg FILE, or --init with a model (doom-nano, FILE.onnx), got neither")
        settings = TrainSettings(tuple(data), cfg, out, init=Path(init) if init else None, **others)
        return settings, read_inputs(settings)
    check_suffix(out, ".weights")
    model = read_darknet(find_model(init))
    start, own = out.with_suffix(".init.weights"), out.with_suffix(".cfg")
    settings = TrainSettings(tuple(data), cfg or own, out, init=start, **others)
    if cfg is not None:
        inputs = read_inputs(settings)
    else:
        classes = join_datasets([read_dataset(path) for path in data]).class_names
        text = set_classes(model.config.text, len(classes))
        if own.is_file() and own.read_text(encoding="utf-8", errors="replace") != text:
            raise UserError(
                f"expected no other cfg in {own}, where the model's own goes; give it by --cfg, or move it"
            )
        inputs = read_inputs(settings, parse_cfg(text, str(own)))
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(text, encoding="utf-8")
    write_weights(start, model.convolutions.values())
    return settings, inputs


def train(settings: TrainSettings, inputs: "Inputs") -> dict[str, Any]:
    """Train on the backend that Keras is set to, or on one that is installed; returns what was done."""
    known = ("tensorflow", "jax", "torch")
    installed = [name for name in known if importlib.util.find_spec(name)]
    if installed:
        os.environ.setdefault("KERAS_BACKEND", installed[0])  # Keras reads it once, at its import
    try:
        import keras  # noqa: F401

        from detection.training.train import train as run_train
    except ImportError as error:
        raise UserError(
            f"train needs the package {error.name}: pip install 'local-aim-assistant[train]'"
        ) from error
    names = settings.beside(".names")
    return {
        "out": str(settings.out),
        **run_train(settings, inputs),
        "next": f"run_aimbot.py convert onnx --cfg {settings.cfg} --weights {settings.out} --names {names} "
        f"--out {settings.beside('.onnx')}",
    }


def choose_form(pixels: Pixels, candidates: int, nms: bool, iou: float | None) -> DeployForm:
    """The form of a deploy graph; with `nms` it suppresses overlaps of `iou`, or of a detector's default.

    Like evaluations, the suppression sees nearly all boxes: what a detector leaves out later is then the
    same as if it had left it out before. UserError for an `iou` without `nms`.
    """
    from detection.detector import DetectorSettings
    from detection.training.evaluate import LOW_CONFIDENCE

    if not nms:
        if iou is not None:
            raise UserError(f"expected --nms with --iou, got --iou {iou} alone")
        return DeployForm(pixels, candidates)
    usual = DetectorSettings()
    rule = Suppression(usual.iou if iou is None else iou, LOW_CONFIDENCE, usual.max_detections)
    return DeployForm(pixels, candidates, rule)


def convert_to_onnx(
    cfg: Path | None, weights: Path | None, names: Path | None, model: str | None, out: Path, form: DeployForm
) -> dict[str, Any]:
    """A cfg with its weights, or a deploy ONNX of another form, to the deploy ONNX."""
    from converters.onnx import convert_onnx, reform_onnx
    from detection.darknet import read_cfg

    check_suffix(out, ".onnx")
    source = choose_source(cfg, weights, names, model)
    if model is not None:
        return {"out": str(reform_onnx(source, out, form))}
    class_names = read_class_names(names, read_cfg(source).heads[0].classes)
    result = {"out": str(convert_onnx(source, weights, class_names, out, form))}
    note_weights(weights, out)
    return result


def choose_source(cfg: Path | None, weights: Path | None, names: Path | None, model: str | None) -> Path:
    """The file of a model that stands alone, or the cfg; UserError for both, or neither."""
    from detection.detector import find_model

    if model is not None and not (cfg or weights or names):
        return find_model(model)
    if cfg is None or model is not None:
        named = {"--model": model, "--cfg": cfg, "--weights": weights, "--names": names}
        given = " with ".join(option for option, value in named.items() if value is not None)
        raise UserError(
            f"expected --cfg, with --weights and --names, or --model alone, got {given or 'neither'}; "
            + ("leave one out" if model is not None else "give one")
        )
    return cfg


def note_weights(weights: Path | None, out: Path) -> None:
    """Say on stderr that the weights of a converted cfg are random, if none were given."""
    if weights is None:
        print_note(f"the weights in {out} are random, for none were given; --weights FILE names a cfg's own")


def read_class_names(names: Path | None, classes: int) -> list[str]:
    """The lines of a file of class names, or class_0, … without one; UserError if it holds another number."""
    if names is None:
        return [f"class_{index}" for index in range(classes)]
    if not names.is_file():
        raise UserError(f"expected a file of {classes} class names at {names}, found none; name another")
    text = names.read_text(encoding="utf-8-sig", errors="replace")
    found = [line.strip() for line in text.split("\n") if line.strip()]
    if len(found) != classes:
        raise UserError(
            f"expected {classes} class names in {names}, a line for each class of the cfg, got {len(found)}; "
            "name another file, or leave --names out"
        )
    return found


def convert_to_darknet(model: str, out: Path) -> dict[str, Any]:
    """Our ONNX, of any precision, to Darknet."""
    from converters.darknet import convert_darknet
    from detection.detector import find_model

    check_suffix(out, ".weights")
    return convert_darknet(find_model(model), out)


def convert_to_tensorrt(
    model: str, out: Path, precision: Any, capabilities: Sequence[str], runtime: Any
) -> dict[str, Any]:
    """ONNX to a TensorRT engine."""
    from converters.tensorrt import convert_tensorrt
    from detection.detector import find_model

    path = find_model(model)
    if path.suffix != ".onnx":
        raise UserError(f"expected a model name or an .onnx file, got {model}")
    check_suffix(out, ".engine")
    return convert_tensorrt(path, model, out, precision, capabilities, runtime)


def convert_to_triton(model: str, repository: Path) -> dict[str, Any]:
    """A model into a Triton server's repository, by the name of its file, or its own if it is shipped."""
    from converters.triton import convert_triton
    from detection.detector import find_model

    path = find_model(model)
    return convert_triton(
        path, path.resolve().parent.name if path.name == "model.onnx" else path.stem, repository
    )
