"""ONNX files as protobuf: reading one, and what it says of itself."""

from pathlib import Path
from typing import Any

from capture.errors import UserError, missing_package


def read_onnx(path: Path, feature: str = "converting", extra: str = "convert") -> Any:
    """An ONNX model; UserError if the file is of another kind, or a package of `extra` is missing."""
    try:
        import onnx
    except ImportError as error:
        raise missing_package(feature, error.name, extra) from error
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's errors share no public base
        raise UserError(f"expected an ONNX model in {path}, got another kind of file") from error


def read_metadata(model: Any) -> dict[str, str]:
    """The metadata_props of an ONNX model."""
    return {prop.key: prop.value for prop in model.metadata_props}
