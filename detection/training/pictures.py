"""Pictures of a training: a batch as the network meets it, validation boxes, the loss."""

import csv
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Pixels
from detection.detections import Detections
from detection.drawing import draw_box
from detection.training.frames import LabelledFrames
from detection.training.report import require_matplotlib

TRUE_BGR, FOUND_BGR, IGNORED_BGR = (60, 220, 60), (60, 160, 255), (200, 200, 200)
SHOWN_CONFIDENCE = 0.25
TILE_WIDTH_PX = 384
PANELS = {"loss": "loss", "learning_rate": "learning rate", "val_map50": "mAP50, validation"}


def draw_batch_picture(images: NDArray[np.float32], boxes: NDArray[np.float32], path: Path) -> None:
    """Augmented images, float RGB in 0..1 (B, H, W, 3), and their boxes (B, M, 5)."""
    pixels = np.round(images[..., ::-1] * 255).astype(np.uint8)
    _write_grid([draw_truth(p, rows) for p, rows in zip(pixels, boxes, strict=True)], path)


def draw_validation_picture(
    frames: LabelledFrames, found: list[Detections], path: Path, tiles: int = 16
) -> None:
    """Frames spread over the set: true boxes green, found ones orange with their confidence in per cent."""
    chosen = np.unique(np.linspace(0, len(found) - 1, tiles).astype(int))
    grid = [draw_found(draw_truth(frames.pixels[i], frames.boxes[i]), found[i]) for i in chosen]
    _write_grid(grid, path)


def draw_truth(pixels: Pixels, boxes: NDArray[np.float32]) -> Pixels:
    """A copy with the boxes (M, 5) on it; regions to ignore are grey."""
    picture = pixels.copy()
    for row in boxes[boxes[:, 2] > boxes[:, 0]]:
        draw_box(picture, row[:4], IGNORED_BGR if row[4] < 0 else TRUE_BGR, 2)
    return picture


def draw_found(pixels: Pixels, found: Detections) -> Pixels:
    """A copy with the sure boxes on it."""
    picture = pixels.copy()
    for xyxy, confidence in zip(found.xyxy_px, found.confidence, strict=True):
        if confidence >= SHOWN_CONFIDENCE:
            left, top, _, _ = draw_box(picture, xyxy, FOUND_BGR, 1)
            place = (max(left, 0), max(top - 3, 10))
            cv2.putText(
                picture, f"{confidence:.0%}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, FOUND_BGR, 1, cv2.LINE_AA
            )
    return picture


def plot_log(log: Path, path: Path) -> None:
    """Loss, learning rate and mAP50 over the epochs of a CSV log; UserError without matplotlib."""
    figure = require_matplotlib()(figsize=(8, 8), layout="constrained")
    with log.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    epochs = np.array([int(row["epoch"]) + 1 for row in rows])
    for axes, (key, label) in zip(figure.subplots(len(PANELS), sharex=True), PANELS.items(), strict=True):
        values = np.array([float(row[key]) for row in rows])
        known = np.isfinite(values)
        axes.plot(epochs[known], values[known], marker="." if known.sum() < 40 else None)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    axes.set_xlabel("epoch")
    figure.savefig(path, dpi=110)


def _write_grid(tiles: list[Pixels], path: Path) -> None:
    """Tiles of one size as a square-ish picture."""
    height, width = tiles[0].shape[:2]
    size_wh = (TILE_WIDTH_PX, round(TILE_WIDTH_PX * height / width))
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    sheet = np.zeros((rows * size_wh[1], columns * size_wh[0], 3), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * size_wh[1], index % columns * size_wh[0]
        sheet[top : top + size_wh[1], left : left + size_wh[0]] = cv2.resize(
            tile, size_wh, interpolation=cv2.INTER_AREA
        )
    cv2.imwrite(str(path), sheet)
