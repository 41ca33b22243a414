"""Whole trainings of a network of a few filters: what they leave, kill and resume, the time limit."""

import csv
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dataset_helpers import paint, write
from numpy.typing import NDArray
from training_helpers import TINY_CFG, write_coco

from capture.errors import UserError
from detection.darknet import parse_cfg, read_cfg
from detection.training.inputs import read_inputs
from detection.training.settings import TrainSettings

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytest.importorskip("faster_coco_eval")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

ROOT = Path(__file__).parents[1]
EPOCHS = 60


def run_training(settings: TrainSettings) -> dict[str, Any]:
    from detection.training.train import train

    return train(settings, read_inputs(settings))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    folder = tmp_path_factory.mktemp("training")
    write_coco(folder / "set", [[[8.0 * index, 20.0, 16.0, 16.0]] for index in range(6)], (64, 64))
    (folder / "tiny.cfg").write_text(TINY_CFG)
    return TrainSettings(
        data=(folder / "set",),
        cfg=folder / "tiny.cfg",
        out=folder / "whole" / "out.weights",
        validation=folder / "set",
        validate_every=30,
        epochs=EPOCHS,
        batch=4,
        peak_rate=0.02,
        mosaic_share=0.3,
    )


@pytest.fixture(scope="module")
def finished(settings: TrainSettings) -> dict[str, Any]:
    return run_training(settings)


def read_weights(path: Path) -> NDArray[np.float32]:
    return np.fromfile(path, "<f4", offset=20)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def start_training(settings: TrainSettings, out: Path) -> subprocess.Popen[bytes]:
    arguments = [
        *(
            "--data",
            settings.data[0],
            "--cfg",
            settings.cfg,
            "--out",
            out,
            "--validation",
            settings.validation,
        ),
        *(
            "--validate-every",
            settings.validate_every,
            "--epochs",
            settings.epochs,
            "--batch",
            settings.batch,
        ),
        *("--peak-rate", settings.peak_rate, "--mosaic-share", settings.mosaic_share),
    ]
    command = [sys.executable, str(ROOT / "run_aimbot.py"), "train", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_training_lowers_the_loss_and_finds_the_boxes(
    settings: TrainSettings, finished: dict[str, Any]
) -> None:
    assert (finished["frames"], finished["steps"]) == (6, 2 * EPOCHS)
    rows = read_rows(settings.beside(".csv"))
    assert [int(row["epoch"]) for row in rows] == list(range(EPOCHS))
    losses = [float(row["loss"]) for row in rows]
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])
    rates = [float(row["learning_rate"]) for row in rows]
    assert max(rates) == pytest.approx(settings.peak_rate, rel=0.01)
    assert rates.index(max(rates)) < 4
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(0.01 * settings.peak_rate, rel=0.1)
    scored = [index for index, row in enumerate(rows) if row["val_map50"] != "nan"]
    assert scored == [29, 59]
    assert finished["map50"] > 0.8


def test_a_training_leaves_weights_that_load_and_pictures_and_no_checkpoint(
    settings: TrainSettings, finished: dict[str, Any]
) -> None:
    from detection.network import build_network
    from detection.training.formats import read_dataset
    from detection.training.frames import load_frames
    from detection.training.validate import predict_frames, score_map50
    from detection.weights import load_weights

    names = sorted(path.name for path in settings.out.parent.iterdir())
    assert names == ["out.batch.png", "out.csv", "out.names", "out.png", "out.val.png", "out.weights"]
    for name in ("out.batch.png", "out.png", "out.val.png"):
        picture = cv2.imread(str(settings.out.parent / name))
        assert picture is not None
        assert picture.std() > 5
    config = read_cfg(settings.cfg)
    network = build_network(config)
    load_weights(network, config, settings.out)
    frames = load_frames(read_dataset(settings.data[0]), (64, 64))
    assert score_map50(predict_frames(network, config, frames), frames, 1) == finished["map50"]


def test_a_training_that_was_killed_and_resumed_ends_where_an_uninterrupted_one_does(
    settings: TrainSettings, finished: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "out.weights"
    log, checkpoint = out.with_suffix(".csv"), out.with_suffix(".checkpoint.npz")
    process = start_training(settings, out)
    deadline = time.monotonic() + 120
    while not (log.is_file() and len(log.read_text().splitlines()) > 4):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 4 <= len(read_rows(log)) < EPOCHS
    assert checkpoint.is_file()

    resumed = replace(settings, out=out)
    with pytest.raises(UserError, match=r"unfinished training lies in .*; add --resume, or delete"):
        run_training(resumed)
    with pytest.raises(UserError, match=r"expected the settings that .* was made with, {'seed': 1}, got"):
        run_training(replace(resumed, resume=True, seed=2))
    again = run_training(replace(resumed, resume=True))
    assert (again["steps"], again["map50"]) == (finished["steps"], finished["map50"])
    np.testing.assert_array_equal(read_weights(out), read_weights(settings.out))
    ignored = "seconds"
    whole, parts = (
        [{key: value for key, value in row.items() if key != ignored} for row in read_rows(path)]
        for path in (settings.beside(".csv"), log)
    )
    assert parts == whole
    assert not checkpoint.exists()


def test_a_time_limit_ends_a_training_wherever_it_is(settings: TrainSettings, tmp_path: Path) -> None:
    timed = replace(settings, out=tmp_path / "t.weights", epochs=None, minutes=0.05, validation=None)
    done = run_training(timed)
    assert 3.0 <= done["seconds"] < 6.0
    rows = read_rows(timed.beside(".csv"))
    assert done["steps"] > 10
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[-1] < 0.2 * max(rates)
    assert np.isfinite(read_weights(timed.out)).all()


def test_a_frozen_backbone_stays_as_it_was(
    settings: TrainSettings, finished: dict[str, Any], tmp_path: Path
) -> None:
    tuned = replace(
        settings, out=tmp_path / "t.weights", epochs=3, init=settings.out, freeze="backbone", validation=None
    )
    run_training(tuned)
    before, after = read_weights(settings.out), read_weights(tuned.out)
    backbone = len(before) - 17 * 12  # all but the head's kernel and bias
    np.testing.assert_array_equal(after[:backbone], before[:backbone])
    assert not np.array_equal(after[backbone:], before[backbone:])


def test_validation_is_on_the_part_held_out_and_wants_the_classes_that_are_learnt(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    from detection.training.inputs import read_frames, read_held_out

    parts = ("train/a", "train/b", "val/c")
    paint(*(tmp_path / "images" / f"{part}.png" for part in parts))
    for part in parts:
        write(tmp_path / "labels" / f"{part}.txt", "0 0.5 0.5 0.2 0.4\n")
    text = "train: images/train\nval: images/val\nnames: "
    source = write(tmp_path / "data.yaml", f"{text}[monster]")
    config = parse_cfg(TINY_CFG)
    learnt = read_frames([source], config)
    assert len(learnt.pixels) == 2
    assert len(read_held_out(source, config, learnt).pixels) == 1
    other = write(tmp_path / "other.yaml", f"{text}[barrel]")
    with pytest.raises(UserError, match=r"classes of --data in .*other\.yaml, monster, got barrel"):
        read_held_out(other, config, learnt)


def test_wrong_settings_are_the_users_error(settings: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected --epochs or --minutes, got both"):
        replace(settings, minutes=1.0)
    with pytest.raises(UserError, match=r"expected --out to end in \.weights"):
        replace(settings, out=tmp_path / "model")


def test_weights_that_do_not_fit_leave_no_files(settings: TrainSettings, tmp_path: Path) -> None:
    (tmp_path / "short.weights").write_bytes(b"short")
    refused = replace(settings, out=tmp_path / "new" / "a.weights", init=tmp_path / "short.weights")
    with pytest.raises(UserError, match=r"short\.weights"):
        run_training(refused)
    assert [path.name for path in tmp_path.iterdir()] == ["short.weights"]


def test_heads_that_the_network_squashes_itself_are_not_trained(
    settings: TrainSettings, tmp_path: Path
) -> None:
    squashed = tmp_path / "squashed.cfg"
    head, yolo = TINY_CFG.split("activation=linear")
    squashed.write_text(f"{head}activation=logistic{yolo}new_coords=1\n")
    line = len(squashed.read_text().splitlines())
    with pytest.raises(UserError, match=rf"squashed\.cfg line {line}: .* without new_coords=1"):
        run_training(replace(settings, cfg=squashed, out=tmp_path / "t.weights"))
