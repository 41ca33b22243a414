"""The one exception that means: the user's input was wrong, or lacks a package."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

IN_THE_WAY = (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)


class UserError(Exception):
    """One line that says what was expected, what came and what mends it; the command exits with 2."""


def missing_package(wanted_for: str, package: str | None, extra: str) -> UserError:
    """The error where an optional package is not installed; `extra` is ours that brings it."""
    return UserError(f"{wanted_for} needs the package {package}: pip install 'local-aim-assistant[{extra}]'")


@contextmanager
def blame_paths() -> Iterator[None]:
    """UserError for a path of the user's that is in the way, closed to him or impossible, or a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and not isinstance(error, IN_THE_WAY) and error.errno not in NO_PLACE:
            raise
        raise UserError(f"expected a path that can be written or read, got {error}") from error
