"""The one exception that means: the user's input was wrong."""


class UserError(Exception):
    """One line that says what was expected, what came and what mends it; the command exits with 2."""
