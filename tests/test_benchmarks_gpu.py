"""The benchmarks of a graphics card, where there is none: mistakes are one line, and come first."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_aimbot_cli import ROOT, assert_mistake


def call(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    needed = ("--engines", "engines") if name == "tensorrt" else ()
    command = [sys.executable, "-m", f"benchmarks.{name}", "model", *needed, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.mark.parametrize("name", ["tensorrt", "tensorflow"])
def test_mistakes_are_one_line_before_a_card_is_looked_for(name: str, tmp_path: Path) -> None:
    missing, empty = str(tmp_path / "missing"), str(tmp_path)
    assert_mistake(call(name, "--images", missing), "expected --images to be a folder", missing)
    assert_mistake(call(name, "--images", empty), "expected pictures in --images", empty)
    assert_mistake(call(name, "--validation", missing), missing)
    assert_mistake(call(name, "--out", empty), "expected --out to be a file", empty)
    assert_mistake(call(name, "--rounds", "many"), "--rounds", "many")
