"""A labelled data set in memory, whatever format it came in, and what is wrong with one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from capture.errors import UserError
from capture.replay import read_image
from detection.boxes import SizeWH

TOLERANCE_PX = 1.0
"""How far a box may reach out of its image before that is a fault: labelling tools round."""
FAULTS_SHOWN = 3
DIGITS = 4
"""Decimals that are kept of pixels: a side of 24 px is 24 again after a sum and a difference."""
HEIGHT_EDGES_PX = (24.0, 64.0)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image file and its boxes.

    xyxy_px: float64 (N, 4), left, top, right, bottom in pixels of the image, inside it.
    class_id: int32 (N,), index into the data set's class names.
    is_crowd: bool (N,), boxes that neither count nor harm: COCO's iscrowd, or ignore.
    """

    image_id: int | str
    path: Path
    size_wh: SizeWH
    xyxy_px: NDArray[np.float64]
    class_id: NDArray[np.int32]
    is_crowd: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled images in the order of their source; category_ids are the source's, one a class name."""

    source: Path
    images: tuple[LabelledImage, ...]
    class_names: tuple[str, ...]
    category_ids: tuple[int | str, ...]


@dataclass(slots=True)
class Faults:
    """What is wrong with a source, a line each, gathered over all of it."""

    source: Path
    lines: list[str] = field(default_factory=list)

    def add(self, where: str | Path, what: str) -> None:
        """`where`: a file, named from the source's folder on, or a place in the source."""
        folder = self.source if self.source.is_dir() else self.source.parent
        if isinstance(where, Path) and where.is_relative_to(folder):
            where = where.relative_to(folder)
        self.lines.append(f"{where}: {what}")

    def raise_any(self) -> None:
        """UserError with the first few and the number of the others, if there are any."""
        if self.lines:
            more = len(self.lines) - FAULTS_SHOWN
            raise UserError(
                f"expected sound labels in {self.source}, got "
                + "; ".join(self.lines[:FAULTS_SHOWN])
                + (f" … and {more} more; `run_aimbot.py labels check` lists them all" if more > 0 else "")
            )


class BoxRow(NamedTuple):
    """A box as a file has it: left, top, right, bottom in pixels, and where it stands."""

    where: str
    xyxy: tuple[float, float, float, float]
    class_id: int
    is_crowd: bool = False


def label_image(
    image_id: int | str, path: Path, size_wh: SizeWH, rows: Iterable[BoxRow], faults: Faults
) -> LabelledImage:
    """An image with those of its boxes that are sound, cut at its edges; the others become faults."""
    kept: list[BoxRow] = []
    limits = np.array([*size_wh, *size_wh], np.float64)
    for row in rows:
        clipped = np.clip(row.xyxy, 0.0, limits)
        left, top, right, bottom = (round(value, 2) for value in row.xyxy)
        if not (right > left and bottom > top):
            faults.add(row.where, f"a box of {right - left:g}x{bottom - top:g} px")
        elif np.abs(clipped - row.xyxy).max() > TOLERANCE_PX or (clipped[2:] <= clipped[:2]).any():
            box = f"{left:g},{top:g} to {right:g},{bottom:g}"
            faults.add(row.where, f"a box from {box} px, outside of {size_wh[0]}x{size_wh[1]}")
        else:
            kept.append(row._replace(xyxy=tuple(clipped.tolist())))
    return LabelledImage(
        image_id,
        path,
        size_wh,
        np.array([row.xyxy for row in kept], np.float64).reshape(-1, 4),
        np.array([row.class_id for row in kept], np.int32),
        np.array([row.is_crowd for row in kept], np.bool_),
    )


def measure_images(paths: Sequence[Path], faults: Faults) -> list[SizeWH | None]:
    """Width and height of each image as decoded (turned as its EXIF data says); None, a fault, for others."""

    def measure(path: Path) -> SizeWH | None:
        try:
            height, width = read_image(path).shape[:2]
        except UserError:
            return None
        return width, height

    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(measure, paths))
    for path, size in zip(paths, sizes, strict=True):
        if size is None:
            faults.add(path, "an image that cannot be decoded")
    return sizes


def check_sizes(dataset: Dataset, faults: Faults) -> None:
    """Decode every image: one that is no image, or has another size than labelled, is a fault."""
    sizes = measure_images([image.path for image in dataset.images], faults)
    for image, size in zip(dataset.images, sizes, strict=True):
        if size is not None:
            check_size(image, size, faults)


def check_size(image: LabelledImage, size_wh: SizeWH, faults: Faults) -> None:
    """A fault if the decoded image has another size than labelled."""
    if size_wh != image.size_wh:
        (width, height), (wanted_width, wanted_height) = size_wh, image.size_wh
        faults.add(image.path, f"an image of {width}x{height}, labelled as {wanted_width}x{wanted_height}")


def join_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """All images of several sets, numbered anew from 1; UserError if their class names differ."""
    first = datasets[0]
    for other in datasets[1:]:
        if other.class_names != first.class_names:
            raise UserError(
                f"expected the same classes in the same order in all data, got "
                f"{', '.join(first.class_names)} in {first.source} and "
                f"{', '.join(other.class_names)} in {other.source}; relabel one"
            )
    if len(datasets) == 1:
        return first
    images = (image for dataset in datasets for image in dataset.images)
    numbered = tuple(replace(image, image_id=number) for number, image in zip(count(1), images, strict=False))
    return replace(first, images=numbered)


def count_labels(dataset: Dataset) -> dict[str, Any]:
    """How many images and boxes there are, by class and by height in pixels of the images; no crowds."""
    kept = [(image, ~image.is_crowd) for image in dataset.images]
    class_ids = np.array([class_id for image, is_box in kept for class_id in image.class_id[is_box]])
    xyxy = np.array([box for image, is_box in kept for box in image.xyxy_px[is_box]]).reshape(-1, 4)
    heights = np.round(xyxy[:, 3] - xyxy[:, 1], DIGITS)
    low, high = HEIGHT_EDGES_PX
    bins = {
        f"under {low:g} px": int((heights < low).sum()),
        f"{low:g} to {high:g} px": int(((heights >= low) & (heights <= high)).sum()),
        f"over {high:g} px": int((heights > high).sum()),
    }
    return {
        "images": len(dataset.images),
        "images_without_boxes": sum(len(image.class_id) == 0 for image in dataset.images),
        "sizes": dict(Counter("{}x{}".format(*image.size_wh) for image in dataset.images).most_common()),
        "boxes": len(class_ids),
        "crowds": sum(int(image.is_crowd.sum()) for image in dataset.images),
        "classes": {name: int((class_ids == index).sum()) for index, name in enumerate(dataset.class_names)},
        "heights": bins,
    }
