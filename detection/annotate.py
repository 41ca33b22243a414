"""Detections of a whole source: result rows, and pictures with the boxes drawn."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2

from capture.errors import UserError
from capture.frame import Frame, Pixels
from detection.detections import Detections
from detection.detector import Detector
from detection.drawing import Trails, draw_detections
from detection.training.evaluate import detections_to_rows
from detection.video import VideoFile

Identify = Callable[[Frame, Detections], Sequence[int]]


def detect_frames(
    detector: Detector,
    frames: Iterable[Frame],
    out: Path | None = None,
    video_fps: float | None = None,
    identify: Identify | None = None,
) -> list[dict[str, Any]]:
    """COCO result rows of all frames; with `out`, a folder, also the frames with their boxes drawn.

    Rows: image_id is the frame's number, category_id the class counted from 1; track_id if `identify` is
    given, which is then called for each frame in turn. The pictures are annotated.mp4 if `video_fps` is
    given, else one JPEG a frame, named by its number. UserError if they cannot be written.
    """
    ids = range(1, len(detector.class_names) + 1)
    rows: list[dict[str, Any]] = []
    trails = Trails()
    with ExitStack() as stack:
        show = _open_pictures(out, video_fps, stack) if out else None
        for frame in frames:
            detections = detector.detect(frame)
            identities = identify(frame, detections) if identify else None
            found = detections_to_rows(detections, frame.frame_id, detector.class_names, ids)
            if identities is not None:
                found = [{**row, "track_id": one} for row, one in zip(found, identities, strict=True)]
            rows += found
            if show is None:
                continue
            picture = draw_detections(frame.pixels, detections, detector.class_names, identities)
            if identities is not None:
                trails.extend(frame.captured_ns, detections, identities)
                trails.draw(picture)
            show(frame, picture)
    return rows


def _open_pictures(out: Path, video_fps: float | None, stack: ExitStack) -> Callable[[Frame, Pixels], None]:
    """What writes the picture of a frame into the folder; `stack` finishes the video."""
    out.mkdir(parents=True, exist_ok=True)
    if video_fps is not None:
        video = stack.enter_context(VideoFile(out / "annotated.mp4", video_fps))
        return lambda frame, picture: video.write(picture)

    def write_image(frame: Frame, picture: Pixels) -> None:
        path = out / f"{frame.frame_id:06d}.jpg"
        if not cv2.imwrite(str(path), picture):
            raise UserError(f"expected to write a picture to {path}, OpenCV cannot; choose another --out")

    return write_image
