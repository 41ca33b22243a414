"""What a model file says of itself: the tensors that it takes and gives, and how it wants its image."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capture.errors import UserError
from detection.boxes import SizeWH

Shape = tuple[int | None, ...]

STRIDE = 32  # of a YOLO whose metadata does not say


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output: NumPy's name of its element type, and its shape, None where any size goes."""

    type: str
    shape: Shape

    def __str__(self) -> str:
        return f"{self.type} ({', '.join('?' if size is None else str(size) for size in self.shape)})"


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs, outputs and metadata of a model file."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str]

    def __str__(self) -> str:
        taken, given = (" and ".join(map(str, tensors)) or "none" for tensors in (self.inputs, self.outputs))
        return f"input {taken}, output {given}"


@dataclass(frozen=True, slots=True)
class ImageInput:
    """How a model takes its one image.

    Captured pixels are uint8 (1, H, W, channels), BGR or BGRA; otherwise it takes planes of `type`,
    (1, 3, H, W) RGB from 0 to 1.
    """

    type: str
    size_wh: SizeWH
    channels: int = 3

    @property
    def is_planar(self) -> bool:
        """True where pixels must become planes of floats first."""
        return self.type != "uint8"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the tensor, for one image."""
        width, height = self.size_wh
        return (1, 3, height, width) if self.is_planar else (1, height, width, self.channels)


def read_image_input(signature: Signature, size_wh: SizeWH | None = None) -> ImageInput:
    """How the model takes its image; UserError where it takes something else, or has another size.

    `size_wh` is the user's choice for a model that takes any size; without it, what the metadata's
    `imgsz` says that it was exported at.
    """
    match signature.inputs:
        case (Tensor("uint8", (1 | None, height, width, 3 | 4 as channels)),):
            return ImageInput("uint8", _settle_size(signature, (width, height), size_wh), channels)
        case (Tensor("float32" | "float16" as kind, (1 | None, 3, height, width)),):
            return ImageInput(kind, _settle_size(signature, (width, height), size_wh))
    raise UserError(
        f"expected a model of one image, uint8 (1, H, W, 3 or 4) or float (1, 3, H, W), got {signature}; "
        "`run_aimbot.py convert onnx` and Ultralytics' export with batch=1 make such"
    )


def count_channels(signature: Signature) -> int:
    """Of the pixels that the model's back end takes: 4 for BGRA, 3 for BGR, from which it makes planes."""
    match signature.inputs:
        case (Tensor("uint8", (*_, 4)),):
            return 4
    return 3


def read_literal(metadata: Mapping[str, str], key: str) -> Any:
    """The value of a Python literal in the metadata; None where there is none."""
    try:
        return ast.literal_eval(metadata[key])
    except (KeyError, ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def read_stride(signature: Signature) -> int:
    """What the sides of an input must be multiples of."""
    stride = read_literal(signature.metadata, "stride")
    return stride if isinstance(stride, int) and stride > 0 else STRIDE


def _settle_size(signature: Signature, own_wh: Shape, chosen_wh: SizeWH | None) -> SizeWH:
    """The model's own width and height; where it takes any, the user's choice, or the exported ones."""
    width, height = own_wh
    if width is not None and height is not None:
        size_wh: SizeWH | None = (width, height)
    else:
        size_wh = chosen_wh or _read_exported_size(signature.metadata)
    if size_wh is None:
        raise UserError(
            f"expected a size for a model that takes any, got {signature} without `imgsz` in its metadata; "
            "add --set detector.input_px=[640,640]"
        )
    asked_wh = chosen_wh or size_wh
    if any(own not in (None, asked) for own, asked in zip(own_wh, asked_wh, strict=True)):
        raise UserError(f"expected detector.input_px to fit the model, got {list(asked_wh)}: {signature}")
    stride = read_stride(signature)
    if size_wh != own_wh and any(side <= 0 or side % stride for side in size_wh):
        raise UserError(f"expected detector.input_px in multiples of {stride}, got {list(size_wh)}")
    return size_wh


def _read_exported_size(metadata: Mapping[str, str]) -> SizeWH | None:
    match read_literal(metadata, "imgsz"):
        case [int(height), int(width)]:
            return width, height
        case int(side):
            return side, side
    return None
