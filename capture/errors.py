"""The one exception that means: the user's input was wrong, or lacks a package."""


class UserError(Exception):
    """One line that says what was expected, what came and what mends it; the command exits with 2."""


def missing_package(wanted_for: str, package: str | None, extra: str) -> UserError:
    """The error where an optional package is not installed; `extra` is ours that brings it."""
    return UserError(f"{wanted_for} needs the package {package}: pip install 'local-aim-assistant[{extra}]'")
