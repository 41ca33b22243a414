"""The command line as a script sees it: exit codes, one line for a mistake, JSON and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from aimbot.commands.common import check_file, make_folder
from capture.errors import UserError

ROOT = Path(__file__).parent.parent
RECORDING = ROOT / "arena" / "recording"
TENSORFLOW = ("WARNING: All log messages before absl", "I0000 ", "E0000 ", "To enable the following instr")
"""How the lines begin that TensorFlow prints at its import, whatever it is told."""


def call(*arguments: str, display: str = "", path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DISPLAY": display, "COLUMNS": "200"}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [sys.executable, str(ROOT / "run_aimbot.py"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )


def assert_mistake(done: subprocess.CompletedProcess[str], *wanted: str, notes: int = 0) -> None:
    """One line on stderr, after as many notes as are expected."""
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith(TENSORFLOW)]
    assert len(lines) == notes + 1, done.stderr
    assert lines[-1].startswith("error: ")
    for text in wanted:
        assert text in lines[-1]


def write_image(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / name), np.zeros((48, 64, 3), np.uint8))


def test_help_imports_no_heavy_package() -> None:
    heavy = "{'cv2', 'openvino', 'numpy', 'mss', 'pydantic', 'vizdoom'}"
    code = f"import sys; from aimbot import cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_a_window_that_does_not_exist_lists_those_that_do(xvfb_display: str) -> None:
    done = call("record", "--window", "no such game", "--out", "unused", display=xvfb_display)
    assert_mistake(done, "no such game")


def test_a_mistyped_setting_names_the_nearest() -> None:
    done = call("run", "--set", "aim.controller.smoothin_s=1", "--dry-run")
    assert_mistake(done, "aim.controller.smoothing_s")


def test_without_a_display_a_run_says_so(tmp_path: Path) -> None:
    assert_mistake(call("record", "--monitor", "1", "--out", str(tmp_path / "s")), "DISPLAY")


def test_a_region_outside_the_screen_is_named(xvfb_display: str, tmp_path: Path) -> None:
    done = call("record", "--region", "9000,9000,64,64", "--out", str(tmp_path / "s"), display=xvfb_display)
    assert_mistake(done, "9000")


def test_two_places_at_once_are_refused(xvfb_display: str, tmp_path: Path) -> None:
    done = call(
        "record", "--monitor", "1", "--region", "0,0,9,9", "--out", str(tmp_path / "s"), display=xvfb_display
    )
    assert_mistake(done, "--region", "--monitor")


def test_an_unreadable_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no video")
    assert_mistake(call("replay", str(path)), "broken.mp4")


def test_a_class_that_the_recordings_detector_lacks_is_named() -> None:
    unknown = call("replay", str(RECORDING), "--set", 'aim.selector.classes=["imp"]')
    assert_mistake(unknown, "aim.selector.classes, got 'imp'; it has: monster")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    assert_mistake(call("detect", str(tmp_path)), str(tmp_path))


def test_a_session_without_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "header.json").write_text((RECORDING / "header.json").read_text())
    (tmp_path / "frames.jsonl").write_text((RECORDING / "frames.jsonl").read_text())
    assert_mistake(call("replay", str(tmp_path)), "480 rows", "0 pictures")


def test_a_truncated_session_is_replayed_as_far_as_it_goes(tmp_path: Path) -> None:
    for name in ("header.json", "frames-00000.mkv"):
        (tmp_path / name).write_bytes((RECORDING / name).read_bytes())
    rows = (RECORDING / "frames.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "frames.jsonl").write_text("".join(rows[:100]) + rows[100][:50])
    done = call("replay", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 100
    assert "the recording was cut" in done.stderr


def test_a_missing_model_names_those_there_are(tmp_path: Path) -> None:
    write_image(tmp_path, "a.png")
    assert_mistake(call("detect", str(tmp_path), "--model", "doom-tony"), "doom-tony", "doom-tiny")


def test_a_path_with_backslashes_is_taken_as_it_is(tmp_path: Path) -> None:
    write_image(tmp_path, "a.png")
    done = call("detect", str(tmp_path), "--model", "C:\\new\\tiny.onnx")
    assert_mistake(done, "got 'C:\\\\new\\\\tiny.onnx'")


@pytest.mark.parametrize("name", ["model.bin", "model.ONNX"])
@pytest.mark.parametrize("kind", ["onnx", "int8", "tensorrt"])
def test_a_file_that_no_command_takes_is_not_written(kind: str, name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    calibration = ["--calibration", str(RECORDING)] if kind == "int8" else []
    done = call("convert", kind, "--model", "doom-nano", "--out", str(out), *calibration)
    assert_mistake(done, "expected --out FILE.", name)
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--data", "a", "--out", "a.weights", "--seed", "-1"),
        ("train", "--data", "a", "--out", "a.weights", "--seed", str(2**32)),
        ("dataset", "--out", "a", "--seed", "-1"),
        ("convert", "int8", "--model", "a", "--calibration", "a", "--out", "a.onnx", "--max-drop", "-1"),
    ],
)
def test_a_number_out_of_its_range_names_its_option(arguments: tuple[str, ...]) -> None:
    assert_mistake(call(*arguments), f"Invalid value for '{arguments[-2]}'", "--help`")


@pytest.mark.parametrize(
    "arguments",
    [
        ("benchmark", "aim", "--out", "file"),
        ("benchmark", "loop", "--source", "missing", "--chart", "folder"),
        ("convert", "onnx", "--model", "missing", "--out", "file/a.onnx"),
        ("convert", "int8", "--model", "missing", "--calibration", "missing", "--out", "folder.onnx"),
        ("convert", "darknet", "--model", "missing", "--out", "file/b/a.weights"),
        ("detect", "missing", "--predictions", "folder"),
        ("evaluate", "--data", "missing", "--predictions", "folder"),
        ("train", "--data", "missing", "--init", "doom-nano", "--out", "folder.weights"),
        ("train", "--data", "missing", "--cfg", "missing", "--out", "file/a.weights"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    for name in ("folder", "folder.onnx", "folder.weights"):
        Path(name).mkdir()
    assert_mistake(call(*arguments), f"expected {arguments[-2]} to be a f", arguments[-1].split("/")[0])


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("train", "--colour", "red"), "--colour"),
        (("detect",), "SOURCE"),
        (("detect", "--out"), "--out"),
        (("convert", "tf-trt", "--saved-model", "a", "--out", "b"), "--precision"),
        (("benchmark", "colours"), "colours"),
        (("doctor", "who"), "who"),
    ],
)
def test_an_option_or_argument_that_is_wrong_is_named(arguments: tuple[str, ...], wanted: str) -> None:
    assert_mistake(call(*arguments), wanted, "--help`")


def test_a_place_that_is_closed_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for another user than root
    with pytest.raises(UserError, match=r"expected --out to be a folder to write to, .*: Permission denied"):
        make_folder(tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path} is closed to you; name another place"):
        check_file(tmp_path / "new" / "file")


def test_a_group_without_a_command_shows_its_help_and_no_error() -> None:
    done = call("convert")
    assert (done.returncode, done.stderr) == (2, "")
    assert "saved-model" in done.stdout


def test_the_help_of_int8_asks_for_a_file_and_names_no_shipped_model() -> None:
    done = call("convert", "int8", "--help")
    assert "An FP32 .onnx file" in done.stdout
    assert "models/" not in done.stdout


def test_a_foreign_model_file_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path, "a.png")
    model = tmp_path / "foreign.onnx"
    model.write_bytes(b"not a model")
    assert_mistake(call("detect", str(tmp_path), "--model", str(model)), "foreign.onnx")


def test_annotations_that_do_not_match_the_images_list_the_missing(tmp_path: Path) -> None:
    write_image(tmp_path / "images", "a.png")
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "gone.png"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}],
        "categories": [{"id": 1, "name": "monster"}],
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco))
    done = call("evaluate", "--images", str(tmp_path / "images"), "--annotations", str(path))
    assert_mistake(done, "gone.png")


def test_the_part_to_evaluate_on_is_that_for_validation(tmp_path: Path) -> None:
    for name in ("train/a", "val/b", "val/c"):
        write_image(tmp_path / "images" / name.split("/")[0], f"{name[-1]}.png")
        labels = (tmp_path / "labels" / name).with_suffix(".txt")
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "classes.txt").write_text("monster\n")
    counted = []
    for split in ((), ("--split", "train")):
        done = call("evaluate", "--data", str(tmp_path), *split, "--model", "doom-nano", "--json")
        assert done.returncode == 0, done.stderr
        counted.append(json.loads(done.stdout)["images"])
    assert counted == [2, 1]


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        ((), "got neither"),
        (("--images", "a"), "got --images"),
        (("--annotations", "a.json"), "got --annotations"),
        (("--data", "a", "--annotations", "a.json"), "got --data with --annotations"),
    ],
)
def test_what_to_evaluate_on_is_named_in_one_way(arguments: tuple[str, ...], got: str) -> None:
    assert_mistake(call("evaluate", *arguments), "--data PATH, or --images DIR with --annotations", got)


def test_a_report_where_a_file_is_in_the_way_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    arguments = ("--images", str(tmp_path), "--annotations", str(tmp_path / "a.json"))
    assert_mistake(call("evaluate", *arguments, "--out", str(tmp_path / "taken")), "--out", "taken")


def test_the_shipped_recording_is_decided_exactly_as_it_was_then() -> None:
    done = call("replay", str(RECORDING), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["frames"] == 480
    assert result["decisions"] > 100
    assert result["mismatches"] == []


def test_an_override_changes_the_settings_that_a_session_was_recorded_with() -> None:
    same = "aim.controller.dead_zone_share=0.15"  # as it was
    for override, is_same in ((same, True), ("aim.controller.dead_zone_share=0.5", False)):
        done = call("replay", str(RECORDING), "--set", override, "--json")
        assert done.returncode == 0, done.stderr
        assert (json.loads(done.stdout)["mismatches"] == []) is is_same


def test_a_session_detected_anew_still_finds_the_recorded_monsters(tmp_path: Path) -> None:
    done = call("detect", str(RECORDING), "--track", "--predictions", str(tmp_path / "p.json"), "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "p.json").read_text())
    assert set(rows[0]) == {"image_id", "category_id", "category", "bbox", "score", "track_id"}
    # 17 monsters come into view, counted by eye; what a kill leaves, or blood on a wall, is one at times.
    assert 17 <= json.loads(done.stdout)["identities"] <= 23
    recorded = [json.loads(line) for line in (RECORDING / "frames.jsonl").read_text().splitlines()]
    boxes = sum(len(row["detections"]["confidence"]) for row in recorded)
    assert 0.8 * boxes < len(rows) < 1.25 * boxes  # the shipped pixels are lossy


def test_without_a_display_or_xvfb_the_demo_shows_the_shipped_recording(tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = call("demo", "--out", str(out), "--json", path="/nowhere")
    assert done.returncode == 0, done.stderr
    assert "apt-get install xvfb" in done.stderr
    summary = json.loads(done.stdout)
    assert summary["replay"]["mismatches"] == []
    assert {"kills", "shots", "hit_rate", "loop_fps", "age_at_move_ms", "baseline"} <= set(summary)
    names = {path.name for path in out.iterdir()}
    assert {"annotated.mp4", "latency.png", "summary.json", "session"} <= names


@pytest.mark.parametrize("command", ["run", "replay", "record", "detect", "evaluate", "demo", "doctor"])
def test_every_command_has_help(command: str) -> None:
    done = call(command, "--help")
    assert done.returncode == 0


def test_the_doctor_reports_as_json() -> None:
    done = call("doctor", "--json")
    report = json.loads(done.stdout)
    assert {"name", "ok", "found", "mend"} == set(report["checks"][0])
    assert "openvino" in report["backend"]


@pytest.mark.parametrize("display", ["", ":987"])
def test_the_doctor_opens_the_display(xvfb_display: str, display: str) -> None:
    dead = json.loads(call("doctor", "--json", display=display).stdout)
    found = {check["name"]: check for check in dead["checks"]}["display"]
    assert not found["ok"]
    assert "expected a screen, DISPLAY" in found["found"]
    assert dead["capture"] == "none"
    live = json.loads(call("doctor", "--json", display=xvfb_display).stdout)
    assert live["checks"][1] == {"name": "display", "ok": True, "found": xvfb_display, "mend": ""}
    assert live["capture"] == "mss, 1280×960"


def test_a_folder_to_write_into_that_is_a_file_is_the_users_mistake(tmp_path: Path) -> None:
    write_image(tmp_path / "images", "a.png")
    (tmp_path / "file").write_text("")
    done = call("labels", "export", str(tmp_path / "images"), "--out", str(tmp_path / "file" / "data"))
    assert_mistake(done, "expected a path that can be written", "file")


def test_training_wants_a_cfg_or_a_model(tmp_path: Path) -> None:
    done = call("train", "--data", str(tmp_path), "--out", str(tmp_path / "a.weights"))
    assert_mistake(done, "expected --cfg FILE, or --init with a model")


def test_data_that_does_not_fit_is_told_before_keras_says_a_word(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").write_text("{}")
    done = call("train", "--data", str(tmp_path), "--init", "doom-nano", "--out", str(tmp_path / "a.weights"))
    assert_mistake(done, "annotations.json")
