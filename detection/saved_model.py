"""TensorFlow SavedModel folders: how one is told, and where our metadata lies in it.

`assets.extra/` is the place that TensorFlow's format leaves to others: its loader and TF-TRT ignore it, it
moves with the folder, and JSON in it is read without importing TensorFlow. Format:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/saved_model/README.md
"""

import json
from collections.abc import Mapping
from pathlib import Path

from capture.errors import UserError

METADATA = Path("assets.extra") / "local-aim-assistant.json"


def is_saved_model(path: Path) -> bool:
    """True for a folder that TensorFlow would load as a SavedModel."""
    return (path / "saved_model.pb").is_file()


def check_saved_model(path: Path) -> Path:
    """The folder itself; UserError if it is no SavedModel."""
    if not is_saved_model(path):
        raise UserError(
            f"expected a SavedModel folder, got {path} without saved_model.pb in it; "
            "`run_aimbot.py convert saved-model` makes one"
        )
    return path


def read_metadata(path: Path) -> dict[str, str]:
    """What an ONNX of ours has in its metadata_props: cfg, class names, precision; UserError without it."""
    try:
        metadata = json.loads((path / METADATA).read_text(encoding="utf-8"))
        if not {"darknet_cfg", "class_names"} <= metadata.keys():
            raise ValueError("no cfg and names")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"expected a SavedModel made by `run_aimbot.py convert saved-model`, "
            f"got {path} without a readable {METADATA.as_posix()}"
        ) from error
    return {str(key): str(value) for key, value in metadata.items()}


def write_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Put metadata into a SavedModel folder."""
    (path / METADATA).parent.mkdir(parents=True, exist_ok=True)
    (path / METADATA).write_text(json.dumps(dict(metadata), indent=1), encoding="utf-8")


def check_target(out: Path) -> None:
    """UserError if `out` holds something that a SavedModel should not be mixed with."""
    out = out.resolve()
    if out.is_file() or (out.is_dir() and not is_saved_model(out) and any(out.iterdir())):
        raise UserError(f"expected --out to be a new folder or an older SavedModel, got {out}")
