"""Which decoder a model's outputs want, told from its metadata and shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from detection.darknet import parse_cfg
from detection.decode import decode_heads, decode_rows
from detection.decode_ultralytics import decode_anchor_free, decode_objectness
from detection.detections import Detections
from detection.preprocess import DARKNET_GREY, ULTRALYTICS_GREY
from detection.signature import Signature, read_literal

Decode = Callable[[Sequence[NDArray[np.float32]], float], Detections]

KNOWN = (
    "known are models made by `run_aimbot.py convert onnx` and, with C class `names` in the metadata, "
    "Ultralytics' (1, N, 5+C) of YOLOv5, (1, 4+C, N) of YOLOv8 and 11, (1, N, 6) with NMS in the graph"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a model's outputs mean.

    decode: outputs and least confidence to candidates, in pixels of the network's input.
    is_suppressed: the graph has dropped overlapping boxes itself, and `decode` gives the best first.
    padding: the grey around a frame of another shape that the model was trained with.
    """

    decode: Decode
    class_names: tuple[str, ...]
    is_suppressed: bool
    padding: int


def recognise(signature: Signature, source: str) -> Layout:
    """The layout of a model's outputs; UserError, with the shapes and what is known, where none fits."""
    if {"darknet_cfg", "class_names"} <= signature.metadata.keys():
        return _read_darknet(signature, source)
    return _recognise_ultralytics(signature, source)


def _read_darknet(signature: Signature, source: str) -> Layout:
    heads = parse_cfg(signature.metadata["darknet_cfg"], f"the cfg in {source}").heads
    names = tuple(signature.metadata["class_names"].splitlines())
    if len(names) != heads[0].classes:
        raise UserError(f"expected {heads[0].classes} `class_names` in {source}, got {len(names)}")
    if [output.shape[2:] for output in signature.outputs] == [(6,)]:
        return Layout(decode_rows, names, "nms" in signature.metadata, DARKNET_GREY)
    wanted = [len(head.anchors_wh_px) * (5 + head.classes) for head in heads]
    found = [output.shape[3] if len(output.shape) == 4 else None for output in signature.outputs]
    if found != wanted:
        shapes = " and ".join(f"(1, h, w, {channels})" for channels in wanted)
        raise UserError(
            f"expected an output (1, K, 6), or {shapes}, as the cfg in {source} says, got {signature}"
        )

    def decode(outputs: Sequence[NDArray[np.float32]], confidence: float) -> Detections:
        return decode_heads(outputs, heads, confidence)

    return Layout(decode, names, False, DARKNET_GREY)


def _recognise_ultralytics(signature: Signature, source: str) -> Layout:
    """YOLOv5's repository writes `names` and `stride`; the ultralytics package also `task` and more."""
    task = signature.metadata.get("task")
    if task not in (None, "detect"):
        raise UserError(f"expected a model that detects boxes, {source} is made to {task}; {KNOWN}")
    names = read_class_names(signature)
    found = _find_decoder(signature, len(names)) if names else None
    if names is None or found is None:
        seen = f"{signature}, {len(names)} `names`" if names else f"{signature}, no `names`"
        raise UserError(f"expected outputs that a decoder knows, got {source}: {seen}; {KNOWN}")
    return Layout(found, names, found is decode_rows, ULTRALYTICS_GREY)


def _find_decoder(signature: Signature, classes: int) -> Decode | None:
    is_package = "task" in signature.metadata
    # YOLOv5's exports of 2021 give their raw maps, (1, A, h, w, 5 + C), beside the decoded rows.
    if _is_transformer(signature) or any(len(output.shape) != 5 for output in signature.outputs[1:]):
        return None
    match signature.outputs[0].shape:
        # With one class YOLOv5's rows have 6 numbers too; the package exports no objectness.
        case (1 | None, _, 6) if is_package or classes != 1:
            return decode_rows
        case (1 | None, channels, _) if channels == 4 + classes:
            return decode_anchor_free
        case (1 | None, _, columns) if columns == 5 + classes:
            return decode_objectness
    return None


def _is_transformer(signature: Signature) -> bool:
    """RT-DETR shares the package, and with it the shape (1, 300, 6), but gives shares of the image."""
    return "detr" in signature.metadata.get("description", "").lower()


def read_class_names(signature: Signature) -> tuple[str, ...] | None:
    """The metadata's `names`, a literal dict by index or sequence; None where there are none."""
    names = read_literal(signature.metadata, "names")
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or set(names) != set(range(len(names))):
        return None
    return tuple(str(names[index]) for index in range(len(names)))
