"""`replay`: a recording through the live loop; `evaluate`: mAP."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aimbot.commands.common import (
    CountedFrames,
    check_file,
    find_rate_hz,
    gather_settings,
    index_rows,
    make_folder,
    open_recording,
    recorded_settings,
    show_progress,
    write_json,
)
from aimbot.config import Settings
from aimbot.governor import Governor
from aimbot.levels import Levels, decode_rungs, open_levels
from aimbot.loop import Step
from aimbot.replaying import RecordedDetector, Replayer, replay_frames
from aimbot.report import draw_row
from aimbot.rows import encode_step
from aimbot.selector import check_class_names
from capture.errors import UserError
from capture.replay import ReplaySource
from detection.detector import open_detector
from detection.video import VideoFile


def replay(
    source: Path, profile: str | None, overrides: list[str], out: Path | None, video: bool, redetect: bool
) -> dict[str, Any]:
    """Replay; a session uses its own settings and detections unless others are asked for."""
    if video and out is None:
        raise UserError("expected --out DIR with --video, got none; add --out runs/replay")
    recording = open_recording(source)
    settings = _choose_settings(recording, profile, overrides)
    rows = index_rows(recording)
    recorded = bool(rows) and all("detections" in row for row in rows.values()) and not redetect
    with ExitStack() as stack:
        stack.callback(recording.close)
        header = recording.session.header if recording.session else {}
        rungs = decode_rungs(header.get("levels", []))
        if recorded:
            governor = Governor(max(len(rungs), 1), settings.loop.target_ms)
            levels = Levels(RecordedDetector(rows, header.get("class_names", ())), governor)
        else:
            levels = open_levels(settings, rungs)
        detector = levels.detector
        stack.callback(detector.close)
        check_class_names(settings.aim.selector, detector.class_names)
        is_spread = any("moves" in row for row in rows.values())
        rules = settings.aim, settings.safety, settings.loop.budget_ms
        replayer = Replayer(detector, *rules, levels.governor, is_spread)
        stack.callback(replayer.close)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        drawn = None
        if video and out:
            rate_hz = find_rate_hz(recording, source)
            drawn = stack.enter_context(VideoFile(out / "annotated.mp4", rate_hz))

        def observe(step: Step) -> None:
            if drawn is not None:
                drawn.write(draw_row(step.frame.pixels, encode_step(step), detector.class_names))

        frames = CountedFrames(recording, show_progress("replaying"))
        result = replay_frames(frames, replayer, rows, observe)
    if out is not None:
        write_json(out / "replay.json", result)
    return result


def evaluate(
    data: Path | None,
    split: str,
    images: Path | None,
    annotations: Path | None,
    settings: Settings,
    predictions: Path | None,
    out: Path | None,
    class_agnostic: bool,
) -> dict[str, Any]:
    """COCO figures of the detector on labelled images; with `out`, a folder, also pictures of them.

    The images are those of a split of `data`, or those in the folder `images` that `annotations` names.
    """
    from detection.training.evaluate import evaluate as evaluate_detector
    from detection.training.evaluate import settings_for_evaluation
    from detection.training.formats import read_dataset

    source = _choose_labels(data, images, annotations)
    if out is not None:
        make_folder(out)
    if predictions is not None:
        check_file(predictions, "--predictions")
    dataset = read_dataset(source, images, split)
    detector = open_detector(settings_for_evaluation(settings.detector))
    try:
        return evaluate_detector(
            detector,
            dataset,
            settings.detector.model,
            class_agnostic,
            track=show_progress("evaluating"),
            predictions=predictions,
            report=out,
        )
    finally:
        detector.close()


def _choose_labels(data: Path | None, images: Path | None, annotations: Path | None) -> Path:
    """Where the labels are; UserError unless it was told in exactly one way."""
    named = {"--data": data, "--images": images, "--annotations": annotations}
    given = [option for option, path in named.items() if path is not None]
    source = data or annotations
    if source is None or given not in (["--data"], ["--images", "--annotations"]):
        raise UserError(
            "expected either --data PATH, or --images DIR with --annotations COCO.json, got "
            + (" with ".join(given) or "neither")
        )
    return source


def _choose_settings(recording: ReplaySource, profile: str | None, overrides: list[str]) -> Settings:
    """Those of the command line, or else those that the session was recorded with."""
    session = recording.session
    if profile is None and session is not None and "settings" in session.header:
        return recorded_settings(session, overrides)
    return gather_settings(profile or "default", overrides)
