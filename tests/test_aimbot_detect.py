"""`detect` on several sources, in one process and over several."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from test_aimbot_cli import RECORDING, ROOT, assert_mistake, call

from aimbot.commands.detect import detect, divide_threads, name_sources, plan_tasks
from aimbot.commands.processes import share_out
from aimbot.config import load_settings
from capture.clock import monotonic_ns, sleep_s
from capture.errors import UserError
from capture.replay import open_replay
from detection.detector import DetectorSettings, open_detector

MONSTERS = slice(412, 424)  # frames of the shipped recording that show three


@dataclass(frozen=True, slots=True)
class Run:
    """What a run printed, and the folders that it wrote."""

    result: dict[str, Any]
    out: Path
    predictions: Path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A session, two image folders of one name, an image and a video; the longest is first."""
    folder = tmp_path_factory.mktemp("sources")
    recording = open_replay(RECORDING, paced=False, clock=monotonic_ns)
    assert recording.session is not None
    frames = list(recording.session.iterate_frames())[MONSTERS]
    for index, frame in enumerate(frames):
        path = folder / ("a" if index < 8 else "b") / "pictures" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), frame.pixels)
    height, width = frames[0].pixels.shape[:2]
    video = cv2.VideoWriter(str(folder / "c.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 35.0, (width, height))
    for frame in frames:
        video.write(frame.pixels)
    video.release()
    session = cut_session(folder / "session", rows=60)
    image = folder / "b" / "pictures" / "9.png"
    return [session, folder / "a" / "pictures", folder / "b" / "pictures", image, folder / "c.mp4"]


@pytest.fixture(scope="module")
def runs(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """The same sources with one job and with three."""
    found = {}
    for jobs in (1, 3):
        folder = tmp_path_factory.mktemp("jobs")
        done = call(
            *("detect", *map(str, sources), "--jobs", str(jobs), "--track", "--json"),
            *("--out", str(folder / "drawn"), "--predictions", str(folder / "rows")),
        )
        assert done.returncode == 0, done.stderr
        found[jobs] = Run(json.loads(done.stdout), folder / "drawn", folder / "rows")
    return found


def cut_session(folder: Path, rows: int, torn: bool = False) -> Path:
    """The first rows of the shipped session."""
    folder.mkdir(parents=True)
    for name in ("header.json", "frames-00000.mkv"):
        (folder / name).write_bytes((RECORDING / name).read_bytes())
    lines = (RECORDING / "frames.jsonl").read_text().splitlines(keepends=True)
    (folder / "frames.jsonl").write_text("".join(lines[:rows]) + (lines[rows][:50] if torn else ""))
    return folder


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_results_come_in_the_order_of_the_sources(runs: dict[int, Run], sources: list[Path]) -> None:
    result = runs[3].result
    assert [row["source"] for row in result["sources"]] == [str(source) for source in sources]
    assert [row["frames"] for row in result["sources"]] == [60, 8, 4, 1, 12]
    assert all(row["detections"] > 0 for row in result["sources"])
    for key in ("frames", "detections", "identities"):
        assert result[key] == sum(row[key] for row in result["sources"])


def test_several_processes_find_and_draw_what_one_does(runs: dict[int, Run]) -> None:
    one, three = runs[1], runs[3]
    assert read_files(one.predictions) == read_files(three.predictions)
    assert read_files(one.out) == read_files(three.out)
    assert json.dumps(one.result).replace(str(one.out), str(three.out)) == json.dumps(three.result)


def test_every_source_has_a_folder_and_a_file_of_its_own(runs: dict[int, Run]) -> None:
    names = ["session", "pictures", "pictures-2", "9.png", "c.mp4"]
    run = runs[3]
    assert [Path(row["out"]) for row in run.result["sources"]] == [run.out / name for name in names]
    assert {path.name for path in run.predictions.iterdir()} == {f"{name}.json" for name in names}
    assert len(list((run.out / "pictures").glob("*.jpg"))) == 8
    assert (run.out / "c.mp4" / "annotated.mp4").is_file()


def test_annotated_videos_run_as_fast_as_their_source(runs: dict[int, Run], sources: list[Path]) -> None:
    rows = [json.loads(line) for line in (sources[0] / "frames.jsonl").read_text().splitlines()]
    seconds = (rows[-1]["captured_ns"] - rows[0]["captured_ns"]) / 1e9
    for name, rate_hz in (("session", (len(rows) - 1) / seconds), ("c.mp4", 35.0)):
        video = cv2.VideoCapture(str(runs[1].out / name / "annotated.mp4"))
        assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(rate_hz, abs=0.01)


def test_a_single_source_is_reported_as_if_there_were_no_others(sources: list[Path], tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    done = call("detect", str(sources[2]), "--jobs", "2", "--predictions", str(rows), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(rows.read_text())
    assert json.loads(done.stdout) == {"frames": 4, "detections": len(found), "out": None}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_source_that_fails_is_named_and_the_others_are_done(
    jobs: str, sources: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows" / "pictures.json").mkdir(parents=True)  # where a file ought to be
    torn = cut_session(tmp_path / "torn", rows=20, torn=True)
    names = [str(path) for path in (tmp_path / "empty", sources[1], torn, tmp_path / "nothing", sources[3])]
    done = call("detect", *names, "--jobs", jobs, "--predictions", str(tmp_path / "rows"), "--json")
    wanted = ("3 of 5 sources failed", names[0], "can be written", "pictures.json", names[3])
    assert_mistake(done, *wanted, notes=1)
    assert "torn: the recording was cut" in done.stderr
    rows = json.loads(done.stdout)["sources"]
    assert [row.get("frames") for row in rows] == [None, None, 20, None, 1]
    assert all(("error" in row) != ("frames" in row) for row in rows)


def test_a_model_that_is_missing_fails_all_in_one_line(sources: list[Path]) -> None:
    done = call("detect", *map(str, sources[1:3]), "--jobs", "2", "--model", "doom-tony", "--json")
    assert_mistake(done, "error: expected a model", "doom-tony")
    assert done.stdout == ""


def test_sources_of_one_name_get_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sources = [Path(name) for name in ("x/a", "y/A", "a-2", "z/a/", ".")]
    assert name_sources(sources) == ["a", "A-2", "a-2-2", "a-3", tmp_path.name]


def test_pictures_are_not_written_into_a_source(tmp_path: Path) -> None:
    sources = [tmp_path / "elsewhere" / "a", tmp_path / "a"]
    with pytest.raises(UserError, match="expected --out apart from the sources"):
        plan_tasks(sources, tmp_path, None)
    assert not any(tmp_path.iterdir())


def test_pictures_are_not_written_over_the_only_source(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.zeros((48, 64, 3), np.uint8))
    before = image.read_bytes()
    for source in (tmp_path, image):
        assert_mistake(call("detect", str(source), "--out", str(tmp_path)), "expected --out apart")
    assert image.read_bytes() == before


def test_pictures_are_not_written_through_a_link_beside_the_source(tmp_path: Path) -> None:
    image, link = tmp_path / "real" / "a.jpg", tmp_path / "links" / "000000.jpg"
    for path in (image, link):
        path.parent.mkdir()
    cv2.imwrite(str(image), np.zeros((48, 64, 3), np.uint8))
    link.symlink_to(image)
    with pytest.raises(UserError, match="expected --out apart from the source"):
        detect([link], load_settings("default"), [], link.parent, None, False, 1)


def test_pictures_may_go_beside_a_source_folder(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "a.png"), np.zeros((48, 64, 3), np.uint8))
    detect([tmp_path / "frames"], load_settings("default"), [], tmp_path, None, False, 1)
    assert (tmp_path / "frames" / "a.png").is_file()


def test_the_rows_of_several_sources_do_not_go_into_one_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected --predictions to be a folder.*--predictions .*rows$"):
        plan_tasks([Path("a"), Path("b")], None, tmp_path / "rows.json")


def test_the_cores_are_divided_unless_threads_are_set() -> None:
    settings = load_settings("default")
    cores = psutil.cpu_count(logical=False) or 1
    assert divide_threads(settings, 1).detector.threads == 0
    assert divide_threads(settings, cores).detector.threads == 1
    assert divide_threads(settings, 2 * cores).detector.threads == 1
    asked = load_settings("default", ["detector.threads=3"])
    assert divide_threads(asked, 2) == asked


@pytest.mark.parametrize(("threads", "is_pinned"), [(0, True), (1, False)])
def test_only_a_detector_that_takes_all_cores_is_pinned_to_them(threads: int, is_pinned: bool) -> None:
    detector = open_detector(DetectorSettings(backend="openvino", threads=threads))
    compiled = detector.backend._request.get_compiled_model()
    assert compiled.get_property("ENABLE_CPU_PINNING") == is_pinned
    detector.close()


@contextmanager
def start(*sources: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A `detect` with two jobs, in a process group as a terminal makes one, and its two processes."""
    command = [sys.executable, str(ROOT / "run_aimbot.py"), "detect", *map(str, sources)]
    with subprocess.Popen(
        [*command, "--jobs", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as popen:
        workers: list[psutil.Process] = []
        while len(workers) < 2:
            assert popen.poll() is None
            sleep_s(0.02)
            children = psutil.Process(popen.pid).children()
            workers = [child for child in children if "spawn_main(" in " ".join(child.cmdline())]
        yield popen, workers
        popen.kill()


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # which nobody has waited for
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("number", "waited_s", "code"),  # while the processes start, and while they work
    [(signal.SIGINT, 0.0, 130), (signal.SIGINT, 1.5, 130), (signal.SIGTERM, 1.5, 143)],
)
def test_an_interrupted_run_leaves_no_process(number: int, waited_s: float, code: int) -> None:
    with start(*[RECORDING] * 8) as (popen, workers):
        sleep_s(waited_s)
        if number == signal.SIGINT:
            os.killpg(popen.pid, number)  # Ctrl-C reaches all processes
        else:
            popen.send_signal(number)
        output, errors = popen.communicate(timeout=60)
    assert popen.returncode == code
    assert output == ""
    assert "Traceback" not in errors, errors
    assert all(map(is_gone, workers))


def test_processes_end_when_the_one_that_started_them_is_killed() -> None:
    with start(*[RECORDING] * 8) as (popen, workers):
        sleep_s(1.5)
        popen.kill()
        popen.communicate(timeout=60)  # until nobody holds its pipes any longer
    assert all(map(is_gone, workers))


def test_a_killed_process_costs_its_source_alone(sources: list[Path]) -> None:
    with start(*sources[:3]) as (popen, workers):
        workers[0].kill()
        output, errors = popen.communicate(timeout=60)
    assert popen.returncode == 2
    assert "1 of 3 sources failed" in errors
    assert "killed by signal 9; if memory was short, give fewer --jobs" in errors
    assert sum("error" in row for row in json.loads(output)["sources"]) == 1


def fail(pipe: Connection) -> None:
    raise ValueError(f"no task like {pipe.recv()}")


def test_a_process_that_fails_by_a_fault_of_ours_is_no_mistake_of_the_users(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RuntimeError, match="exit code 1"):
        share_out(["this"], 1, fail, lambda index, message: None)
    assert "ValueError: no task like this" in capfd.readouterr().err
