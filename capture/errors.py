"""The one exception that means: the user's input was wrong, or lacks a package."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """One line that says what was expected, what came and what mends it; the command exits with 2."""


def missing_package(wanted_for: str, package: str | None, extra: str) -> UserError:
    """The error where an optional package is not installed; `extra` is ours that brings it."""
    return UserError(f"{wanted_for} needs the package {package}: pip install 'local-aim-assistant[{extra}]'")


@contextmanager
def blame_paths() -> Iterator[None]:
    """UserError for a path of the user's that is in the way, or closed to him."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"expected a path that can be written or read, got {error}") from error
