"""Writes what was measured into a game's profile, and leaves all else in it as it was."""

import math
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from aimbot.calibration.measure import Calibration, Value
from capture.errors import UserError


def write_profile(path: Path, calibration: Calibration, window: str, pixel_aspect: float) -> None:
    """Put the figures, with their errors as comments, into `aim.view` of a TOML file, new or not.

    UserError if the file is there and is no TOML, or cannot be written.
    """
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    except (TOMLKitError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"expected TOML in {path}, got: {error}; mend it, or give another --out") from error
    if not path.exists():
        document.add(tomlkit.comment(f"Measured by `run_aimbot.py calibrate --window {window!r}`."))
        capture = tomlkit.table()
        capture["window"] = window
        document["capture"] = capture
    view = document.setdefault("aim", tomlkit.table(is_super_table=True)).setdefault("view", tomlkit.table())
    for name in ("fov_deg", "yaw_deg_per_count", "pitch_deg_per_count", "display_latency_ms"):
        figure: Value = getattr(calibration, name)
        item = tomlkit.item(round_to_error(figure))
        item.comment(describe_error(name, calibration))
        view[name] = item
    view["game_width_px"] = calibration.size_wh[0]
    if pixel_aspect != 1:
        view["pixel_aspect"] = pixel_aspect
    try:
        path.write_text(tomlkit.dumps(document), encoding="utf-8")
    except OSError as error:
        raise UserError(f"expected a file to write the profile to, got {path}: {error.strerror}") from error


def round_to_error(figure: Value) -> float:
    """The value to one digit below its error."""
    digits = 4 if figure.error <= 0 else 1 - math.floor(math.log10(figure.error))
    return round(figure.value, digits)


def describe_error(name: str, calibration: Calibration) -> str:
    """The comment behind a figure."""
    if name == "pitch_deg_per_count" and calibration.pitch.motion == "none":
        return "the view does not look up and down by mouse"
    comment = f"± {getattr(calibration, name).error:.1g}"
    if name == "display_latency_ms":
        comment += f", the median of {len(calibration.latency_ms)}"
    if name == "pitch_deg_per_count" and calibration.pitch.motion == "slides":
        comment += "; the picture slides, so this holds for the pixel_aspect given"
    return comment
