"""Settings: profiles, overrides, mistakes named in one line, and reload."""

import re
from pathlib import Path

import pytest

from aimbot.config import SettingsFile, load_settings, profile_names, setting_names
from capture.errors import UserError


@pytest.mark.parametrize("profile", profile_names())
def test_every_shipped_profile_is_valid(profile: str) -> None:
    load_settings(profile)


def test_overrides_come_after_the_profile_and_the_profile_after_the_defaults() -> None:
    assert load_settings("doom").aim.trigger.enabled
    assert not load_settings("doom", ["aim.trigger.enabled=false"]).aim.trigger.enabled
    assert load_settings("doom").hotkeys.panic == load_settings().hotkeys.panic


def test_an_override_may_be_a_list_a_number_or_a_bare_word() -> None:
    settings = load_settings(
        "default", ['aim.selector.classes=["monster"]', "loop.budget_ms=33", "hotkeys.arm=toggle"]
    )
    assert settings.aim.selector.classes == ("monster",)
    assert settings.loop.budget_ms == 33
    assert settings.hotkeys.arm == "toggle"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "aim.controller.smothing_s=1",
            r"unknown setting aim\.controller\.smothing_s; did you mean aim\.controller\.smoothing_s\?",
        ),
        (
            "smoothing_s=1",
            r"unknown setting smoothing_s; did you mean aim\.(controller|tracker)\.smoothing_s\?",
        ),
        ("loop.budget_ms=-1", r"setting loop\.budget_ms: input should be greater than 0, got -1"),
        ("loop.pointer_hz=5", r"setting loop\.pointer_hz: .*expected 0, or 60 to 500, got 5"),
        ("loop.pointer_hz=501", r"setting loop\.pointer_hz: .*less than or equal to 500, got 501"),
        ("loop.target_ms=0", r"setting loop\.target_ms: input should be greater than 0, got 0"),
        (
            "detector.fallbacks=[0.5, 0.7]",
            r"setting detector\.fallbacks: .*largest part first, .*got \[0\.5, 0\.7\]",
        ),
        (
            "detector.fallbacks=[1.5]",
            r"setting detector\.fallbacks\.0: input should be less than 1, got 1\.5",
        ),
        (
            "aim.trigger.interval_s=0.05",
            r"setting aim\.trigger\.interval_s: .*at least aim\.trigger\.press_s, which is 0\.06, got 0\.05",
        ),
        (
            "aim.trigger.press_s=0.5",
            r"setting aim\.trigger\.interval_s: .*at least aim\.trigger\.press_s, which is 0\.5, got 0\.3",
        ),
        (
            "aim.selector.aim_point=[0.5, 1.2]",
            r"setting aim\.selector\.aim_point\.1: .*less than or equal to 1, got 1\.2",
        ),
        (
            "aim.selector.aim_points.monster=[-0.1, 0.5]",
            r"setting aim\.selector\.aim_points\.monster\.0: .*greater than or equal to 0, got -0\.1",
        ),
        ("loop.budget_ms=inf", r"setting loop\.budget_ms: input should be a finite number"),
        (
            "safety.max_counts_per_move=40000",
            r"max_counts_per_move: input should be less than or equal to 32767",
        ),
        ("hotkeys.panic=F10", r"a key of its own for aim, pause, panic and exit, got 'f10' twice"),
        ("loop.budget_ms=soon", r"setting loop\.budget_ms: .*got 'soon'"),
        ("loop.budget_ms", r"expected --set name=value, .*got 'loop\.budget_ms'"),
        ("hotkeys.arm=sometimes", r"setting hotkeys\.arm: input should be 'hold', 'toggle' or 'always'"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_with_the_nearest_right_one(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_settings("default", [override])
    assert "\n" not in str(caught.value)


def test_the_button_that_the_trigger_presses_is_no_hotkey() -> None:
    sets = ["hotkeys.aim=mouse_left", "aim.trigger.enabled=true"]
    with pytest.raises(UserError, match=r"^setting hotkeys: .*another key than mouse_left") as caught:
        load_settings("default", sets)
    assert "\n" not in str(caught.value)
    assert load_settings("default", sets[:1]).hotkeys.aim == "mouse_left"
    assert load_settings("default", [*sets, "safety.allow_fire=false"]).aim.trigger.enabled


def test_only_an_adaptive_loop_wants_a_target_within_the_budget() -> None:
    assert load_settings("default", ["loop.budget_ms=20"]).loop.target_ms == 25
    assert load_settings("doom").loop.adaptive
    with pytest.raises(UserError, match=r"loop\.target_ms: .*at most loop\.budget_ms, which is 20, got 25"):
        load_settings("default", ["loop.budget_ms=20", "loop.adaptive=true"])


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"got 'dooom'; did you mean doom\?"):
        load_settings("dooom")


def test_a_profile_that_is_no_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[loop\n")
    with pytest.raises(UserError, match=r"expected TOML in .*mine\.toml, got: .*line 1"):
        load_settings(str(path))


def test_a_changed_file_is_read_again_and_an_invalid_edit_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[loop]\nbudget_ms = 30\n")
    watch = SettingsFile(str(path))
    assert watch.poll() is None
    path.write_text("[loop]\nbudget_ms = 1234\n")
    changed = watch.poll()
    assert changed is not None
    assert changed.loop.budget_ms == 1234
    path.write_text("[loop]\nbugdet_ms = 12345\n")
    with pytest.raises(UserError, match=r"unknown setting loop\.bugdet_ms; did you mean loop\.budget_ms\?"):
        watch.poll()
    assert watch.poll() is None


def test_every_setting_has_a_name_for_the_command_line() -> None:
    names = setting_names()
    assert "aim.controller.smoothing_s" in names
    assert "capture.window" in names
    assert len(names) == len(set(names))


def test_the_settings_page_names_every_setting() -> None:
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")
    named = set()
    for row in (line for line in page.splitlines() if line.startswith("| `")):
        group = ""
        for name in re.findall(r"`([\w.]+)`", row.split("|")[1]):
            full = group + name if name.startswith(".") else name
            group = full.rpartition(".")[0]
            named.add(full.removesuffix(".CLASS"))
    names = setting_names()
    leaves = {name for name in names if not any(other.startswith(f"{name}.") for other in names)}
    assert sorted(named) == sorted(leaves)
