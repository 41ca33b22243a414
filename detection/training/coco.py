"""COCO files: https://cocodataset.org/#format-data, as the labelling tools write it."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture.errors import UserError
from detection.boxes import SizeWH
from detection.training.dataset import DIGITS, BoxRow, Dataset, Faults, label_image, measure_images

Entry = Mapping[str, Any]
NAME_KEYS = {"images": "file_name", "categories": "name"}


def scan_coco(path: Path, images_dir: Path | None, faults: Faults) -> Dataset:
    """The sound part of a COCO file; images are looked for beside it, in images/, or in `images_dir`.

    UserError if it is no COCO file, or no image that it names is there.
    """
    coco = _read_json(path)
    annotations = coco["annotations"]
    categories = _drop_grouping(coco["categories"], annotations)
    folder = images_dir or _find_images_dir(path, coco["images"])
    entries = _find_entries(coco["images"], folder, faults)
    if not entries:
        raise UserError(f"expected the images that {path} names in {folder}, found none; give their --images")
    sizes = _find_sizes(entries, faults)
    class_ids = {category["id"]: index for index, category in enumerate(categories)}
    named = {image["id"] for image in coco["images"] if _is_id(image.get("id"))}
    rows = _group_rows(annotations, named, class_ids, faults)
    images = [
        label_image(image_id, file, sizes[image_id], rows.get(image_id, []), faults)
        for image_id, (file, _) in entries.items()
        if image_id in sizes
    ]
    return Dataset(path, tuple(images), tuple(c["name"] for c in categories), tuple(class_ids))


def dataset_to_coco(dataset: Dataset, file_names: Sequence[str] | None = None) -> dict[str, Any]:
    """A data set as COCO, with its own image and category ids; file names default to the images' paths."""
    names = file_names or [image.path.as_posix() for image in dataset.images]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, name in zip(dataset.images, names, strict=True):
        width, height = image.size_wh
        images.append({"id": image.image_id, "file_name": name, "width": width, "height": height})
        for xyxy, class_id, is_crowd in zip(image.xyxy_px, image.class_id, image.is_crowd, strict=True):
            left, top, right, bottom = xyxy.tolist()
            bbox = [round(value, DIGITS) for value in (left, top, right - left, bottom - top)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image.image_id,
                    "category_id": dataset.category_ids[class_id],
                    "bbox": bbox,
                    "area": round(bbox[2] * bbox[3], DIGITS),
                    "iscrowd": int(is_crowd),
                }
            )
    ids = zip(dataset.category_ids, dataset.class_names, strict=True)
    categories = [{"id": category_id, "name": name} for category_id, name in ids]
    return {"images": images, "annotations": annotations, "categories": categories}


def _read_json(path: Path) -> dict[str, list[Any]]:
    """The file's three lists, whose images and categories have what makes them such."""
    try:
        coco = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"expected COCO annotations at {path}, got: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"expected COCO annotations as JSON in {path}, got: {error}") from error
    for part in ("images", "categories", "annotations"):
        entries = coco.get(part) if isinstance(coco, dict) else None
        if not isinstance(entries, list) or not (entries or part == "annotations"):
            raise UserError(f"expected COCO annotations with a list of {part} in {path}, found none")
        for index, entry in enumerate(entries if part in NAME_KEYS else []):
            if not (isinstance(entry, dict) and _is_id(entry.get("id"))):
                raise UserError(f"expected an 'id' in {part}[{index}] of {path}, got {entry}")
            if not isinstance(entry.get(NAME_KEYS[part]), str):
                raise UserError(f"expected a {NAME_KEYS[part]!r} in {part}[{index}] of {path}, got {entry}")
    assert isinstance(coco, dict)
    ids = [category["id"] for category in coco["categories"]]
    if len(set(ids)) < len(ids):
        raise UserError(f"expected categories with different ids in {path}, got {ids}")
    return coco


def _drop_grouping(categories: list[Entry], annotations: list[Any]) -> list[Entry]:
    """The categories without Roboflow's first, which only groups the others and labels nothing."""
    used = [row.get("category_id") for row in annotations if isinstance(row, dict)]
    groups = [category.get("supercategory") for category in categories]
    return [
        category
        for category in categories
        if category.get("supercategory") != "none" or category["name"] not in groups or category["id"] in used
    ]


def _find_images_dir(path: Path, images: list[Entry]) -> Path:
    """The usual place that holds most of the images."""
    split = path.stem.removeprefix("instances_")
    root = path.parent.parent
    usual = [
        path.parent / "images",
        path.parent,
        root / "images",
        root / "images" / split,
        root / split,
    ]
    return max(usual, key=lambda folder: sum((folder / image["file_name"]).is_file() for image in images))


def _find_entries(images: list[Entry], folder: Path, faults: Faults) -> dict[int | str, tuple[Path, Entry]]:
    """File and entry of each image that is there, by id."""
    entries: dict[int | str, tuple[Path, Entry]] = {}
    for index, image in enumerate(images):
        file = folder / image["file_name"]
        if image["id"] in entries:
            faults.add(f"images[{index}]", f"the id {image['id']} a second time")
        elif not file.is_file():
            faults.add(f"images[{index}]", f"no file {file}")
        else:
            entries[image["id"]] = (file, image)
    return entries


def _find_sizes(entries: Mapping[int | str, tuple[Path, Entry]], faults: Faults) -> dict[int | str, SizeWH]:
    """Sizes as labelled, or else as measured."""
    sizes: dict[int | str, SizeWH] = {}
    unknown: list[int | str] = []
    for image_id, (_, image) in entries.items():
        width, height = image.get("width"), image.get("height")
        if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
            sizes[image_id] = (width, height)
        else:
            unknown.append(image_id)
    measured = measure_images([entries[image_id][0] for image_id in unknown], faults)
    found = zip(unknown, measured, strict=True)
    return sizes | {image_id: size for image_id, size in found if size is not None}


def _group_rows(
    annotations: list[Any], images: set[Any], class_ids: Mapping[Any, int], faults: Faults
) -> dict[int | str, list[BoxRow]]:
    """Boxes by image id."""
    rows: dict[int | str, list[BoxRow]] = {}
    for index, entry in enumerate(annotations):
        where = f"annotations[{index}]"
        row = _parse_entry(entry, images, class_ids, where)
        if isinstance(row, str):
            faults.add(where, row)
        else:
            rows.setdefault(entry["image_id"], []).append(row)
    return rows


def _parse_entry(entry: Any, images: set[Any], class_ids: Mapping[Any, int], where: str) -> BoxRow | str:
    """An annotation as a box, or what is wrong with it."""
    if not isinstance(entry, dict):
        return f"image_id, category_id and bbox are wanted, not {entry!r}"
    image_id, category_id, bbox = (entry.get(key) for key in ("image_id", "category_id", "bbox"))
    if not _is_id(image_id) or image_id not in images:
        return f"no image has the id {image_id!r}"
    if not _is_id(category_id) or category_id not in class_ids:
        return f"no category has the id {category_id!r}"
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_finite, bbox)):
        return f"a bbox of four numbers is wanted, not {bbox!r}"
    left, top, width, height = bbox
    is_crowd = bool(entry.get("iscrowd") or entry.get("ignore"))
    return BoxRow(where, (left, top, left + width, top + height), class_ids[category_id], is_crowd)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
