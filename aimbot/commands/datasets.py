"""`labels`: look at labelled data, turn one layout into another, and make frames to label."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from aimbot.commands.common import CountedFrames, open_recording, show_progress
from aimbot.config import Settings
from capture.errors import UserError
from capture.files import replacing_folder
from capture.frame import Frame
from capture.sampling import sample_frames
from detection.detections import no_detections
from detection.detector import open_detector
from detection.training.dataset import (
    BoxRow,
    Dataset,
    Faults,
    LabelledImage,
    check_sizes,
    count_labels,
    label_image,
)
from detection.training.formats import read_dataset, scan_dataset, write_coco, write_yolo_txt
from detection.training.yolo_txt import import_yaml

Layout = Literal["coco", "yolo"]


def convert_labels(
    source: Path, images: Path | None, split: str, to: Layout, out: Path, link: bool
) -> dict[str, Any]:
    """Write a sound data set in another layout."""
    _require_empty(out)
    dataset = read_dataset(source, images, split)
    _write(dataset, to, out, link)
    counted = count_labels(dataset)
    left_out = counted["crowds"] if to == "yolo" else 0
    return {"out": str(out), "images": counted["images"], "boxes": counted["boxes"], "left_out": left_out}


def check_labels(source: Path, images: Path | None, split: str) -> tuple[dict[str, Any], Faults]:
    """Counts of what is sound, and a line for each fault; every image is decoded."""
    dataset, faults = scan_dataset(source, images, split)
    check_sizes(dataset, faults)
    return {**count_labels(dataset), "errors": faults.lines}, faults


def export_session(
    source: Path, out: Path, every_s: float, min_change: float, prelabel: Layout | None, settings: Settings
) -> dict[str, Any]:
    """Write frames of a recording as PNG files to label; `prelabel`: with the detector's boxes to correct."""
    _require_empty(out)
    if prelabel == "yolo":
        import_yaml()  # its lack is better known before the work than after
    recording = open_recording(source)
    frames = CountedFrames(recording, show_progress("exporting"))
    images: list[LabelledImage] = []
    with ExitStack() as stack:
        stack.callback(recording.close)
        detector = open_detector(settings.detector) if prelabel else None
        if detector is not None:
            stack.callback(detector.close)
        made = stack.enter_context(replacing_folder(out))
        (made / "images").mkdir()
        for frame in sample_frames(frames, every_s, min_change):
            path = made / "images" / f"frame_{frame.frame_id:06d}.png"
            _write_png(path, frame)
            found = detector.detect(frame) if detector else no_detections()
            boxes = zip(found.xyxy_px.astype(np.float64).tolist(), found.class_id.tolist(), strict=True)
            rows = [BoxRow("detected", tuple(xyxy), class_id) for xyxy, class_id in boxes]
            images.append(label_image(frame.frame_id, path, frame.size_wh, rows, Faults(made)))
        if prelabel and detector:
            names = detector.class_names
            _write(Dataset(made, tuple(images), names, tuple(range(1, len(names) + 1))), prelabel, made)
    boxes_written = sum(len(image.class_id) for image in images)
    return {"out": str(out), "frames": frames.count, "images": len(images), "boxes": boxes_written}


def _write(dataset: Dataset, to: Layout, out: Path, link: bool = False) -> None:
    (write_coco if to == "coco" else write_yolo_txt)(dataset, out, link)


def _write_png(path: Path, frame: Frame) -> None:
    is_written, data = cv2.imencode(".png", np.ascontiguousarray(frame.pixels[..., :3]))
    assert is_written
    path.write_bytes(data.tobytes())


def _require_empty(out: Path) -> None:
    """Old labels between new ones would be read with them."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"expected a new or empty folder as --out, got {out}; name another")
