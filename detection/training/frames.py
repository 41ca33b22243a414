"""A data set as arrays for training: its images on the network's canvas."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from capture.frame import Frame, Region
from capture.replay import read_image
from detection.boxes import SizeWH, fit_letterbox, image_to_canvas
from detection.preprocess import Canvas
from detection.training.dataset import Dataset, Faults, LabelledImage, check_size

ROWS_STEP, ROWS_MOST = 8, 64
CROWD_ID = -1


@dataclass(frozen=True, slots=True)
class LabelledFrames:
    """Frames at the network's size, and their boxes.

    pixels: uint8 (N, H, W, 3) BGR. boxes: float32 (N, M, 5): left, top, right, bottom in pixels of the
    network's input, and the class id, CROWD_ID for regions to ignore; unused rows are zero.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    class_names: tuple[str, ...]


def load_frames(dataset: Dataset, size_wh: SizeWH, threads: int = 8) -> LabelledFrames:
    """All images and boxes as the network meets them at inference: scaled, letterboxed if of another shape.

    M is the largest number of boxes in an image, rounded up to ROWS_STEP; beyond ROWS_MOST the largest
    boxes are kept. UserError for images that cannot be decoded or are not of the labelled size.
    """
    most = max((len(image.class_id) for image in dataset.images), default=0)
    rows = min(max(1, -(-most // ROWS_STEP)) * ROWS_STEP, ROWS_MOST)
    pixels = np.zeros((len(dataset.images), size_wh[1], size_wh[0], 3), np.uint8)
    boxes = np.zeros((len(dataset.images), rows, 5), np.float32)

    def load(index: int) -> Faults:
        image = dataset.images[index]
        faults = Faults(dataset.source)
        frame = decode_image(image, faults)
        if frame is not None:
            pixels[index] = Canvas(size_wh).place(frame)[0]
            boxes[index] = place_boxes(image, size_wh, rows)
        return faults

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(load, range(len(dataset.images))))
    Faults(dataset.source, [line for faults in found for line in faults.lines]).raise_any()
    return LabelledFrames(pixels, boxes, dataset.class_names)


def decode_image(image: LabelledImage, faults: Faults) -> Frame | None:
    """The image as a captured frame; None, a fault, if it cannot be decoded or has another size."""
    try:
        pixels = read_image(image.path)
    except UserError:
        faults.add(image.path, "an image that cannot be decoded")
        return None
    height, width = pixels.shape[:2]
    check_size(image, (width, height), faults)
    if (width, height) != image.size_wh:
        return None
    return Frame(pixels, 0, 0, Region(0, 0, width, height))


def place_boxes(image: LabelledImage, canvas_wh: SizeWH, rows: int) -> NDArray[np.float32]:
    """Boxes (rows, 5) of an image on a canvas, largest first; unused rows are zero."""
    sides = image.xyxy_px[:, 2:] - image.xyxy_px[:, :2]
    order = np.argsort(-sides.prod(axis=1), kind="stable")[:rows]
    placed = np.zeros((rows, 5), np.float32)
    letterbox = fit_letterbox(image.size_wh, canvas_wh)
    placed[: len(order), :4] = image_to_canvas(image.xyxy_px[order].astype(np.float32), letterbox)
    placed[: len(order), 4] = np.where(image.is_crowd, CROWD_ID, image.class_id)[order]
    return placed
