"""`convert int8`: its table is shown whatever the gate says, and a refusal is one line."""

from pathlib import Path
from typing import Any

import pytest
from test_aimbot_cli import assert_mistake, call
from tiny_detector import make_tiny_onnx

from aimbot.commands import int8 as command
from aimbot.commands.common import shipped_recording
from capture.errors import UserError
from converters import int8 as converter
from detection.training import formats


def make_result(written: bool, drop: float | None) -> dict[str, Any]:
    figures = {"map50_fp32": 0.8421, "map50_int8": 0.8375} if drop is not None else {}
    return {**figures, "drop": drop, "kept_float": ["conv_4"], "written": written}


def convert(monkeypatch: pytest.MonkeyPatch, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    monkeypatch.setattr(converter, "convert_int8", lambda *_, **__: result)
    monkeypatch.setattr(formats, "read_dataset", lambda *_, **__: "set")
    validation, max_drop = (None, None) if result["drop"] is None else (folder, 0.4)
    model, source = str(make_tiny_onnx(folder / "tiny.onnx")), shipped_recording()
    return command.convert_to_int8(
        model, source, validation, "minmax", max_drop, False, None, folder / "out.onnx"
    )


def test_a_refusal_shows_the_table_and_says_what_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"drop of at most 0\.4 points of mAP50, got 0\.46; nothing was"):
        convert(monkeypatch, tmp_path, make_result(False, 0.46))
    shown = capsys.readouterr()
    assert all(text in shown.err for text in ("0.8421", "0.8375", "0.46", "conv_4"))
    assert shown.out == ""


def test_without_validation_there_is_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(monkeypatch, tmp_path, make_result(True, None))["written"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("asked", [("--force",), ("--max-drop", "2")])
def test_what_is_of_the_gate_wants_validation_frames(tmp_path: Path, asked: tuple[str, ...]) -> None:
    files = ("--model", "doom-nano", "--calibration", str(shipped_recording()))
    done = call("convert", "int8", *files, "--out", str(tmp_path / "out.onnx"), *asked)
    assert_mistake(done, "expected --validation LABELS with " + " ".join(asked))
