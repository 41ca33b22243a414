"""Folders that are written whole, or not at all; of files see capture/files.py."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
