"""Files and folders that are written whole, or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """What to write to: it becomes `path` once all is written, and until then that stays as it was.

    The folder is made if need be. A link stays one, and /dev/null and its like are written in place.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as stream:
            yield stream
        return
    partial = path.with_name(f"{uuid4().hex}.part")
    try:
        with partial.open("xb") as stream:
            yield stream
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """A new folder to write to: it becomes `out` once all is written, and until then that stays as it was."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".", suffix=".part") as folder:
        made = Path(folder) / "made"  # with a folder's usual mode
        made.mkdir()
        yield made
        if not out.exists():
            made.rename(out)
        elif not any(out.iterdir()):  # it may be where somebody stands
            for path in made.iterdir():
                path.rename(out / path.name)
        else:
            out.rename(Path(folder) / "old")
            made.rename(out)
