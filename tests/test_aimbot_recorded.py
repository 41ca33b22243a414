"""What is wrong with the rows and the header of a session is one line with the place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_aimbot_cli import RECORDING, assert_mistake, call

from aimbot.commands.common import open_recording
from aimbot.commands.replay import replay
from aimbot.commands.tune import read_facts
from aimbot.config import load_settings
from capture.errors import UserError

LINE = 7
Change = Callable[[dict[str, Any]], None]


def copy_session(folder: Path) -> Path:
    shutil.copytree(RECORDING, folder / "session")
    return folder / "session"


def change_row(session: Path, change: Change) -> None:
    rows = (session / "frames.jsonl").read_text().splitlines(keepends=True)
    row = json.loads(rows[LINE - 1])
    change(row)
    rows[LINE - 1] = json.dumps(row) + "\n"
    (session / "frames.jsonl").write_text("".join(rows))


def change_header(session: Path, change: Change) -> None:
    header = json.loads((session / "header.json").read_text())
    change(header)
    (session / "header.json").write_text(json.dumps(header))


def put(value: object, *names: str) -> Change:
    """Sets what stands under these names."""

    def change(row: dict[str, Any]) -> None:
        for name in names[:-1]:
            row = row[name]
        row[names[-1]] = value

    return change


def leave_out(*names: str) -> Change:
    def change(row: dict[str, Any]) -> None:
        for name in names[:-1]:
            row = row[name]
        del row[names[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (put("soon", "decided_ns"), "decided_ns: "),
        (put(None, "sent_ns"), "sent_ns: "),
        (leave_out("gates"), "decided_ns is there without gates"),
        (put([True], "gates"), "gates: "),
        (leave_out("gates", "armed"), r"gates\.armed: field required"),
        (put([[1, 2]], "hand"), r"hand\.0: "),
        (put([[1, 2, 0.5]], "moves"), r"moves\.0\.2: "),
        (put({}, "applied"), r"applied\.dx_counts: field required"),
        (put(2.5, "applied", "dx_counts"), r"applied\.dx_counts: "),
        (put([[0, 0, 1]], "detections", "xyxy_px"), r"detections\.xyxy_px\.0: "),
        (put([0.5, 0.5], "detections", "confidence"), "detections: there are not as many confidences"),
        (
            put({"xyxy_px": [[0, 0, 9, 9]], "confidence": [0.5], "class_id": [70]}, "detections"),
            "a class_id that is none of the header's 1 class_names",
        ),
        (put(float("nan"), "stage_ms", "age"), r"stage_ms\.age: "),
        (put("low", "level"), "level: "),
    ],
)
def test_a_row_that_no_run_wrote_is_named_by_its_line(tmp_path: Path, change: Change, fault: str) -> None:
    session = copy_session(tmp_path)
    change_row(session, change)
    with pytest.raises(UserError, match=rf"frames\.jsonl, line {LINE}, got {fault}[^\n]*$"):
        open_recording(session)
    with pytest.raises(UserError, match=rf"frames\.jsonl, line {LINE}, got {fault}"):
        read_facts(session, load_settings("doom"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (put([], "settings"), "settings: "),
        (put(3, "settings", "aim"), r"settings\.aim: "),
        (put("wide", "settings", "aim", "view", "fov_deg"), r"settings\.aim\.view\.fov_deg: "),
        (put(["monster", 1], "class_names"), r"class_names\.1: "),
        (put([{"threads": 1}], "levels"), r"levels\.0\.input_px: field required"),
    ],
)
def test_a_header_that_no_run_wrote_is_named(tmp_path: Path, change: Change, fault: str) -> None:
    session = copy_session(tmp_path)
    change_header(session, change)
    with pytest.raises(UserError, match=rf"header\.json, got {fault}[^\n]*$"):
        open_recording(session)


def test_replay_and_tune_end_in_one_line(tmp_path: Path) -> None:
    session = copy_session(tmp_path)
    change_row(session, put("left", "applied"))
    for arguments in (("replay", str(session)), ("tune", "--profile", "doom", "--session", str(session))):
        assert_mistake(call(*arguments), f"frames.jsonl, line {LINE}, got applied: ")


def test_what_a_run_writes_besides_may_be_anything(tmp_path: Path) -> None:
    session = copy_session(tmp_path)
    change_row(session, put(["?", None], "target", "aim_xy_px"))
    change_row(session, put({"dx_counts": None}, "command"))
    result = replay(session, None, [], None, video=False, redetect=False)
    assert (result["frames"], result["frames_differing"]) == (480, 1)
