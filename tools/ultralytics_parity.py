"""Do Ultralytics' own code and ours see the same boxes in the same exported files?

Outside CI, in an environment of its own: it needs torch. Both packages are AGPL; they are run here, and
nothing of them is copied, imported by the project or shipped. Models are random, so nothing is downloaded.

    python -m venv ENV
    ENV/bin/pip install -e '.[onnx]' onnx onnxscript onnxslim ultralytics yolov5 'setuptools<80'
    ENV/bin/python tools/ultralytics_parity.py [--references tests/references]

`--references` writes what the tests compare with: outputs of three layouts, and Ultralytics' boxes.
A box may stand alone where it is at the floor of the scores or of the overlaps. YOLOv5's own repository
puts boxes half a canvas pixel off where the padding is odd, as at 320 for the odd shape here.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLOv5_AUTOINSTALL": "false"}

import numpy as np
import torch
import yolov5
from numpy.typing import NDArray
from ultralytics import YOLO
from yolov5.export import export_onnx
from yolov5.models.common import DetectMultiBackend
from yolov5.models.yolo import DetectionModel
from yolov5.utils.augmentations import letterbox
from yolov5.utils.general import non_max_suppression, scale_boxes

from capture.frame import Frame, Region
from capture.session import read_session
from detection.detections import Detections
from detection.detector import DetectorSettings, open_detector
from detection.preprocess import ULTRALYTICS_GREY, Canvas

ROOT = Path(__file__).parents[1]
CONFIDENCE, IOU, LIMIT = 0.25, 0.7, 300
CLASSES = 3
RARE = 0.01  # the share of scores above the floor
# The package's models by name, and how each is exported.
EXPORTS: dict[str, tuple[str, dict[str, Any]]] = {
    "yolov8n": ("yolov8n.yaml", {}),
    "yolov8n dynamic": ("yolov8n.yaml", {"dynamic": True}),
    "yolov8n nms": ("yolov8n.yaml", {"nms": True}),
    "yolo11n": ("yolo11n.yaml", {}),
    "yolo11n nms dynamic": ("yolo11n.yaml", {"nms": True, "dynamic": True}),
    "yolov5nu": ("yolov5n.yaml", {}),
    "yolov10n end2end": ("yolov10n.yaml", {"end2end": True}),
}
REFERENCES = {"yolov8n": "anchor_free", "yolov8n nms": "suppressed", "yolov5n": "objectness"}

Predict = Callable[[NDArray[np.uint8]], Detections]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--references", type=Path, metavar="DIR")
    parser.add_argument("--frames", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    frames = read_frames(arguments.frames)
    references = arguments.references and arguments.references.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # the exports write where they stand
        for size in (320, 640):
            for name, path, oracles in make_models(size, frames):
                for oracle, predict in oracles.items():
                    print_comparison(f"{name} {size}, {oracle}", path, predict, frames[:-1])
                    print_comparison(f"{name} {size}, {oracle}, odd shape", path, predict, frames[-1:])
        if references:
            for name, path, oracles in make_models(160, frames[:-1]):
                if name in REFERENCES:
                    out = references / f"ultralytics_{REFERENCES[name]}.npz"
                    write_reference(out, path, oracles["its file"], frames[:-1])


def read_frames(count: int) -> list[Frame]:
    """Frames of the shipped recording, 640x480, and one cut to an odd shape."""
    session = read_session(ROOT / "arena" / "recording")
    frames = list(islice(session.iterate_frames(), 0, 60 * count, 60))
    odd = frames[-1].pixels[:431, :613].copy()
    return [*frames, Frame(odd, 0, count, Region(0, 0, 613, 431))]


def make_models(size: int, frames: Sequence[Frame]) -> Iterator[tuple[str, Path, dict[str, Predict]]]:
    """Each exported file, with Ultralytics' own ways of running it: the file, and the model in torch."""
    canvas = Canvas((size, size), ULTRALYTICS_GREY)
    images = torch.stack([to_planes(canvas.place(frame)[0]) for frame in frames])
    for name, (yaml, options) in EXPORTS.items():
        torch.manual_seed(0)
        model = YOLO(yaml)
        args = model.model.args
        model.model = type(model.model)(yaml, nc=CLASSES, verbose=False)
        model.model.args, model.model.task = args, model.task
        model.model.names = {index: f"thing {index}" for index in range(CLASSES)}
        randomize(model.model, images)
        baked = {"conf": CONFIDENCE, "iou": IOU, "max_det": LIMIT} if options.get("nms") else {}
        path = Path(model.export(format="onnx", imgsz=size, **options, **baked)).resolve()
        oracles = {"its file": package_predictor(YOLO(path, task="detect"), size)}
        if "end2end" not in options:  # in torch, such a model predicts by its other head
            oracles["torch"] = package_predictor(model, size)
        yield name, path, oracles
    torch.manual_seed(0)
    path = Path("yolov5n-classic.onnx").resolve()
    classic = DetectionModel(str(Path(yolov5.__file__).parent / "models" / "yolov5n.yaml"), ch=3, nc=CLASSES)
    randomize(classic, images)
    classic.model[-1].export = True
    export_onnx(classic.eval(), images[:1], path, opset=17, dynamic=False, simplify=False)
    runs = {"its file": DetectMultiBackend(path), "torch": classic}
    yield "yolov5n", path, {told: classic_predictor(run, size) for told, run in runs.items()}


def to_planes(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """BGR pixels as RGB planes in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pixels[..., 2::-1].transpose(2, 0, 1))).float() / 255


def randomize(model: Any, images: torch.Tensor) -> None:
    """Random weights with which a model sees some dozens of things, on the images that settle them."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain mean over what passes
        norm.reset_running_stats()
    with torch.no_grad():
        model.train()(images)
        model.eval()
        last = [m for m in model.model[-1].modules() if isinstance(m, torch.nn.Conv2d) and m.bias is not None]
        hooks = [conv.register_forward_hook(settle_outputs) for conv in last]
        model(images)
    for hook in hooks:
        hook.remove()


def settle_outputs(conv: torch.nn.Conv2d, _: Any, seen: torch.Tensor) -> None:
    """Scale a head's last convolution: few scores above the floor and none near 1, boxes of moderate size."""
    values = seen.transpose(0, 1).flatten(1)  # a row for each channel
    is_score = torch.full((conv.out_channels,), conv.out_channels == CLASSES)
    if conv.out_channels == 3 * (5 + CLASSES):
        is_score[4 :: 5 + CLASSES] = True  # YOLOv5's objectness; there are three anchors
    low = torch.where(is_score, values.quantile(1 - RARE, dim=1), values.mean(dim=1))
    beyond = values - low[:, None]
    scale = 3.0 / torch.where(is_score[:, None], beyond, beyond.abs()).amax(dim=1)
    level = torch.where(is_score, float(np.log(CONFIDENCE / (1 - CONFIDENCE))), 0.0)
    conv.weight *= scale[:, None, None, None]
    conv.bias.copy_((conv.bias - low) * scale + level)


def package_predictor(model: YOLO, size: int) -> Predict:
    """The ultralytics package's own prediction."""

    def predict(pixels: NDArray[np.uint8]) -> Detections:
        options = {"conf": CONFIDENCE, "iou": IOU, "max_det": LIMIT, "imgsz": size, "rect": False}
        found = model.predict(pixels, **options, device="cpu", verbose=False)[0].boxes.data.cpu().numpy()
        return to_detections(found)

    return predict


def classic_predictor(model: Any, size: int) -> Predict:
    """YOLOv5's own letterbox, suppression and scaling, as its detect.py has them in a row."""

    def predict(pixels: NDArray[np.uint8]) -> Detections:
        placed = to_planes(letterbox(pixels, (size, size), auto=False)[0])[None]
        with torch.no_grad():
            output = model(placed)
        found = non_max_suppression(output, CONFIDENCE, IOU, max_det=LIMIT)[0]
        found[:, :4] = scale_boxes(placed.shape[2:], found[:, :4], pixels.shape)
        return to_detections(found.numpy())

    return predict


def to_detections(rows: NDArray[np.float32]) -> Detections:
    """Rows of left, top, right, bottom, score and class as our record."""
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32))


def print_comparison(title: str, path: Path, predict: Predict, frames: Sequence[Frame]) -> None:
    """One line for each back end: boxes of theirs and ours, how many lack a partner within a pixel, how
    far the others lie apart, in the furthest corner and in score.
    """
    expected = [predict(np.ascontiguousarray(frame.pixels[..., :3])) for frame in frames]
    for backend in ("openvino", "onnx"):
        detector = open_detector(settings_for(path, backend))
        found = [detector.detect(frame) for frame in frames]
        detector.close()
        pairs = [measure_distances(*pair) for pair in zip(expected, found, strict=True)]
        corners, scores = (np.concatenate([pair[index] for pair in pairs]) for index in (0, 1))
        near = corners <= 1
        print(
            f"{title:42} {backend:9} boxes {sum(map(len, expected)):4} {sum(map(len, found)):4}  "
            f"alone {np.count_nonzero(~near):2}  furthest corner {corners[near].max(initial=0):.4f} px  "
            f"score {scores[near].max(initial=0):.1e}",
            flush=True,
        )


def settings_for(path: Path, backend: str = "onnx") -> DetectorSettings:
    """Ours, told what theirs is told."""
    return DetectorSettings(
        model=str(path), backend=backend, confidence=CONFIDENCE, iou=IOU, max_detections=LIMIT
    )


def measure_distances(a: Detections, b: Detections) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """From each box of either to the nearest of its class in the other: furthest corner in px, and score."""
    if not len(a) or not len(b):
        return np.full(len(a) + len(b), np.inf, np.float32), np.zeros(len(a) + len(b), np.float32)
    corner = np.abs(a.xyxy_px[:, None] - b.xyxy_px[None]).max(axis=2)
    corner[a.class_id[:, None] != b.class_id[None]] = np.inf
    score = np.abs(a.confidence[:, None] - b.confidence[None])
    distance = np.maximum(corner, 100 * score)  # equal boxes differ in score alone
    rows, columns = np.arange(len(a)), np.arange(len(b))
    to_b, to_a = distance.argmin(axis=1), distance.argmin(axis=0)
    return (
        np.concatenate((corner[rows, to_b], corner[to_a, columns])),
        np.concatenate((score[rows, to_b], score[to_a, columns])),
    )


def write_reference(out: Path, path: Path, predict: Predict, frames: Sequence[Frame]) -> None:
    """A file's output for the frame that it sees most in, and the boxes that Ultralytics makes of it."""
    detector = open_detector(settings_for(path))
    seen = [predict(np.ascontiguousarray(frame.pixels[..., :3])) for frame in frames]
    most = max(range(len(frames)), key=lambda index: len(seen[index]))
    frame, expected = frames[most], seen[most]
    np.savez_compressed(
        out,
        output=detector.infer(detector.preprocess(frame))[0],
        canvas_wh=detector.input_size_wh,
        frame_wh=frame.size_wh,
        names=detector.backend.signature.metadata["names"],
        task=detector.backend.signature.metadata.get("task", ""),
        confidence=CONFIDENCE,
        iou=IOU,
        limit=LIMIT,
        xyxy_px=expected.xyxy_px,
        score=expected.confidence,
        class_id=expected.class_id,
    )


if __name__ == "__main__":
    main()
