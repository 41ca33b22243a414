"""The state of an unfinished training in one file, which is complete or is not there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from capture.errors import UserError
from capture.files import replacing


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is."""

    epoch: int = 0
    step: int = 0
    elapsed_s: float = 0.0


def save_checkpoint(path: Path, variables: list[Any], progress: Progress, recipe: dict[str, Any]) -> None:
    """Write the variables' values, the progress and what must not change before the training goes on.

    A kill while it writes leaves the file of the time before.
    """
    head = {"epoch": progress.epoch, "step": progress.step, "elapsed_s": progress.elapsed_s, "recipe": recipe}
    arrays: dict[str, Any] = {
        f"v{index}": np.asarray(variable.value) for index, variable in enumerate(variables)
    }
    with replacing(path) as stream:
        np.savez(stream, head=np.array(json.dumps(head)), **arrays)


def load_checkpoint(path: Path, variables: list[Any], recipe: dict[str, Any]) -> Progress:
    """Give the variables the values that were saved.

    UserError if the recipe differs, naming how, and for a damaged file.
    """
    damaged = UserError(f"expected a whole checkpoint, {path} is damaged; delete it to begin anew")
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
            head = json.loads(str(saved["head"]))
            before, progress = dict(head["recipe"]), Progress(head["epoch"], head["step"], head["elapsed_s"])
            values = [saved[f"v{index}"] for index in range(len(saved.files) - 1)]
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise damaged from error
    changed = [key for key in before | recipe if before.get(key) != recipe.get(key)]
    if changed:
        was, now = ({key: part.get(key) for key in changed} for part in (before, recipe))
        raise UserError(
            f"expected the settings that {path} was made with, {was}, got {now}; "
            "give them again, or delete that file to begin anew"
        )
    if [value.shape for value in values] != [tuple(variable.value.shape) for variable in variables]:
        raise damaged
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return progress
