"""The syntax of a Darknet cfg: sections of key=value, with the line of each for error messages.

Format: https://github.com/AlexeyAB/darknet (parser.c, option_list.c).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from capture.errors import UserError

KNOWN = frozenset({"net", "network", "convolutional", "maxpool", "upsample", "route", "shortcut", "yolo"})


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a cfg; `line` is that of its [header], `lines` those of its options."""

    type: str
    file: str
    line: int
    options: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def error(self, message: str, key: str | None = None) -> UserError:
        """The user's mistake, with the line of option `key`, or of the section where it is not set."""
        line = self.lines.get(key, self.line) if key else self.line
        return UserError(f"{self.file} line {line}: {message}")

    def integer(self, key: str, default: int = 0) -> int:
        """An option as an integer; UserError if it is none."""
        value = self.number(key, default)
        if not value.is_integer():  # nan and infinity are none either
            raise self.error(f"expected an integer in {key}=, got {self.options[key]!r}", key)
        return int(value)

    def positive(self, key: str, default: int) -> int:
        """An option as an integer of 1 or more; UserError if it is none."""
        value = self.integer(key, default)
        if value < 1:
            raise self.error(f"expected {key}=1 or more, got {value}", key)
        return value

    def number(self, key: str, default: float = 0.0) -> float:
        """An option as a float; UserError if it is none."""
        text = self.options.get(key)
        try:
            return float(text) if text is not None else float(default)
        except ValueError as error:
            raise self.error(f"expected a number in {key}=, got {text!r}", key) from error

    def numbers(self, key: str) -> list[float]:
        """A comma-separated option as floats, empty if it is not set; UserError if one is no number."""
        text = self.options.get(key, "")
        try:
            return [float(part) for part in text.split(",") if part.strip()]
        except ValueError as error:
            raise self.error(f"expected numbers in {key}=, got {text!r}", key) from error

    def integers(self, key: str) -> list[int]:
        """A comma-separated option as integers; UserError if one is none."""
        values = self.numbers(key)
        if not all(value.is_integer() for value in values):
            raise self.error(f"expected integers in {key}=, got {self.options[key]!r}", key)
        return [int(value) for value in values]


def split_sections(text: str, file: str) -> Iterator[Section]:
    """The sections of a cfg's text in order; UserError for an unknown one and for a line that is no option.

    An option that stands twice counts once, the first time, as in Darknet's option_find.
    """
    current: Section | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = strip_comment(raw)
        if not line:
            continue
        if line.startswith("["):
            if current:
                yield current
            kind = line.strip("[]").strip()
            if kind not in KNOWN:
                raise UserError(
                    f"{file} line {number}: unknown section [{kind}]; known: {', '.join(sorted(KNOWN))}"
                )
            current = Section(kind, file, number)
        elif current is None or "=" not in line:
            raise UserError(f"{file} line {number}: expected [section] or key=value, got {raw!r}")
        else:
            key, _, value = line.partition("=")
            current.options.setdefault(key.strip(), value.strip())
            current.lines.setdefault(key.strip(), number)
    if current:
        yield current


def strip_comment(line: str) -> str:
    """A line of a cfg without its comment and the space around it."""
    return line.split("#")[0].split(";")[0].strip()
