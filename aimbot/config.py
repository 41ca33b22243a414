"""All settings, composed once: TOML profiles, --set overrides, and reload of a changed file."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from aimbot.aimer import AimSettings
from aimbot.hotkeys import FIRE_KEY, HotkeySettings
from aimbot.loop import Change, LoopSettings
from aimbot.safety import SafetySettings
from capture.errors import UserError
from capture.recorder import RecorderSettings
from capture.source import CaptureSettings
from detection.detector import DetectorSettings


class Settings(BaseModel):
    """Every setting there is; each group is defined beside the class that it configures."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    capture: CaptureSettings = CaptureSettings()
    detector: DetectorSettings = DetectorSettings()
    aim: AimSettings = AimSettings()
    loop: LoopSettings = LoopSettings()
    safety: SafetySettings = SafetySettings()
    hotkeys: HotkeySettings = HotkeySettings()
    recorder: RecorderSettings = RecorderSettings()

    @field_validator("hotkeys")
    @classmethod
    def _check_fire_button(cls, hotkeys: HotkeySettings, others: ValidationInfo) -> HotkeySettings:
        aim, safety = others.data.get("aim"), others.data.get("safety")
        fires = aim is not None and aim.trigger.enabled and safety is not None and safety.allow_fire
        if fires and FIRE_KEY in hotkeys.keys:
            raise ValueError(f"expected another key than {FIRE_KEY}, which aim.trigger presses itself")
        return hotkeys

    def change(self) -> Change:
        """The part that a running loop can take."""
        return Change(self.aim, self.safety, self.loop.budget_ms, self.loop.target_ms)

    def list_fixed(self, new: "Settings") -> list[str]:
        """What differs in the new settings, and a running loop cannot take."""
        groups = [
            n for n in ("capture", "detector", "hotkeys", "recorder") if getattr(self, n) != getattr(new, n)
        ]
        loop = [n for n in ("adaptive", "pointer_hz") if getattr(self.loop, n) != getattr(new.loop, n)]
        return groups + [f"loop.{name}" for name in loop]


def profile_names() -> list[str]:
    """The shipped profiles."""
    folder = resources.files("configs")
    skipped = {"protected"}
    names = (Path(entry.name) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return sorted(name.stem for name in names if name.stem not in skipped)


def profile_path(profile: str) -> Path:
    """The file of a shipped profile's name, or of a path; UserError if there is none."""
    if profile in profile_names():
        return Path(str(resources.files("configs").joinpath(f"{profile}.toml")))
    path = Path(profile)
    if path.is_file():
        return path
    raise UserError(
        f"expected a profile ({', '.join(profile_names())}) or a .toml file, got {profile!r}"
        + _did_you_mean(profile, profile_names())
    )


def load_settings(profile: str = "default", overrides: Sequence[str] = ()) -> Settings:
    """Defaults, then the profile, then `a.b=c` overrides; UserError names the setting that is wrong."""
    return override_settings(
        _merge(_read_toml(profile_path("default")), _read_toml(profile_path(profile))), overrides
    )


def override_settings(data: Mapping[str, Any], overrides: Sequence[str]) -> Settings:
    """Settings from nested tables with `a.b=c` on top; UserError in one line for the first that is wrong."""
    for override in overrides:
        data = _merge(data, _parse_override(override))
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            hint = _did_you_mean(name, setting_names())
            raise UserError(f"unknown setting {name}{hint}") from error
        raise UserError(f"setting {name}: {first['msg'].lower()}, got {first['input']!r}") from error


def setting_names(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Dotted names of all settings."""
    names = []
    for key, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names += [f"{prefix}{key}", *setting_names(inner, f"{prefix}{key}.")]
        else:
            names.append(f"{prefix}{key}")
    return names


class SettingsFile:
    """Watches a profile while the assistant runs; `first` is what it said at the start."""

    def __init__(self, profile: str, overrides: Sequence[str] = ()) -> None:
        """UserError for a profile that is not valid."""
        self._profile, self._overrides = profile, tuple(overrides)
        self._path = profile_path(profile)
        self._seen = self._stamp()
        self.first = load_settings(profile, overrides)

    def poll(self) -> Settings | None:
        """New settings if the file changed since the last call, else None.

        UserError for an invalid edit, once for each edit; the caller keeps the old settings.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        return load_settings(self._profile, self._overrides)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"expected TOML in {path}, got: {error}") from error


def _parse_override(text: str) -> dict[str, Any]:
    """`a.b=c` as nested tables; the value is TOML, or a text where TOML has no reading of it."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UserError(
            f"expected --set name=value, as in --set aim.controller.smoothing_s=0.08, got {text!r}"
        )
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    nested: Any = parsed
    for part in reversed(name.strip().split(".")):
        nested = {part: nested}
    assert isinstance(nested, dict)
    return nested


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name, compared whole and by its last part."""
    names = list(known)
    last = name.rsplit(".", 1)[-1]
    by_last = {full.rsplit(".", 1)[-1]: full for full in reversed(names)}
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    near = near or [by_last[key] for key in difflib.get_close_matches(last, by_last, n=1, cutoff=0.5)]
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(names[:40])}"
