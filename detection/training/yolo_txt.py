"""YOLO-txt: a text file an image, a row a box, `class cx cy w h` as shares of the image's sides.

A row with more numbers is a polygon, x y x y …, and stands for the box around it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from capture.errors import UserError, missing_package
from capture.replay import IMAGES
from detection.boxes import SizeWH
from detection.training.dataset import (
    BoxRow,
    Dataset,
    Faults,
    LabelledImage,
    label_image,
    measure_images,
)

SPLITS = {"val": ("val", "valid", "validation"), "train": ("train",), "test": ("test",)}


def import_yaml() -> Any:
    """PyYAML; UserError if it is not installed."""
    try:
        import yaml
    except ImportError as error:
        raise missing_package("data.yaml", "PyYAML", "labels") from error
    return yaml


def scan_yaml(path: Path, split: str, faults: Faults) -> Dataset:
    """The sound part of a split of a data.yaml; UserError if the file or the split is none."""
    yaml = import_yaml()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"expected a data.yaml at {path}, got: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"expected YAML in {path}, got: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UserError(f"expected names, train and val in {path}, got {data!r}")
    names = _read_names(path, data)
    wanted = next((data[name] for name in split_names(split) if data.get(name)), None)
    if wanted is None:
        found = [name for names in SPLITS.values() for name in names if data.get(name)]
        found_text = f"{', '.join(found)}; give --split" if found else "no split"
        raise UserError(f"expected paths under {split} in {path}, found {found_text}")
    entries = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise UserError(
            f"expected a path or a list of paths under {split} in {path}, got {wanted!r}; "
            "name folders of images"
        )
    root = path.parent / str(data.get("path") or "")
    if not root.is_dir():  # made on another machine
        root = path.parent
    images = [image for entry in entries for image in _list_images(_find_entry(root, entry), faults)]
    return _scan_images(path, images, names, faults)


def scan_folder(folder: Path, names_file: Path, split: str, faults: Faults) -> Dataset:
    """The sound part of a folder with a file of class names; all of it, if it has no lists or parts.

    UserError if it has some, and none of the split's name.
    """
    names = tuple(line.strip() for line in _read_lines(names_file) if line.strip())
    known = [*split_names(split), *(name for names in SPLITS.values() for name in names)]
    places = [(name, place) for name in known for place in (folder / f"{name}.txt", folder / "images" / name)]
    parts = [(name, place) for name, place in places if place.exists()]
    whole = folder / "images" if (folder / "images").is_dir() else folder
    name, place = parts[0] if parts else (split, whole)
    if name not in split_names(split):
        found = ", ".join(place.name for _, place in parts)
        raise UserError(f"expected {split}.txt or images/{split} in {folder}, found {found}; give --split")
    return _scan_images(folder, _list_images(place, faults), names, faults)


def find_names_file(folder: Path) -> Path | None:
    """The class names of a folder without data.yaml, one a line: classes.txt, obj.names or another .names."""
    for place in (folder, folder / "labels", folder / "images"):
        found = [place / "classes.txt", place / "obj.names", *sorted(place.glob("*.names"))]
        for path in found:
            if path.is_file():
                return path
    return None


def split_names(split: str) -> tuple[str, ...]:
    """What a split may be called: val, valid and validation are one."""
    return next((names for names in SPLITS.values() if split in names), (split,))


def find_labels(image: Path) -> Path:
    """The label file of an image: `labels` for the last `images` of its path, or else beside it."""
    swapped = _swap_last(image.parent, "images", "labels") / f"{image.stem}.txt"
    beside = image.with_suffix(".txt")
    return beside if beside.is_file() and not swapped.is_file() else swapped


def format_rows(image: LabelledImage) -> str:
    """The label file of an image; crowds, which the format cannot tell from others, are left out."""
    width, height = image.size_wh
    lines = []
    for (left, top, right, bottom), class_id in zip(
        image.xyxy_px[~image.is_crowd].tolist(), image.class_id[~image.is_crowd].tolist(), strict=True
    ):
        centre = (left + right) / 2 / width, (top + bottom) / 2 / height
        shares = (*centre, (right - left) / width, (bottom - top) / height)
        lines.append(" ".join([str(class_id), *(f"{share:.8f}" for share in shares)]) + "\n")
    return "".join(lines)


def parse_row(line: str, size_wh: SizeWH, classes: int, where: str) -> BoxRow | str:
    """A row as a box in pixels, or what is wrong with it."""
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        return f"numbers are wanted, not {line[:40]!r}"
    class_id, *shares = numbers
    if len(shares) != 4 and (len(shares) < 6 or len(shares) % 2):
        return f"class cx cy w h or a polygon are wanted, not {len(numbers)} numbers"
    if class_id != int(class_id) or not 0 <= class_id < classes:
        return f"class {class_id:g} of {classes} named"
    width, height = size_wh
    if len(shares) == 4:
        x, y, w, h = shares
        left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    else:
        left, top, right, bottom = min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])
    return BoxRow(where, (left * width, top * height, right * width, bottom * height), int(class_id))


def _read_names(path: Path, data: Mapping[str, Any]) -> tuple[str, ...]:
    names = data.get("names")
    if isinstance(names, dict) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        names = [names.get(index, names.get(str(index))) for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"expected names in {path}, a list or numbered from 0, got {names!r}")
    if data.get("nc", len(names)) != len(names):
        raise UserError(f"expected as many names as nc in {path}, got nc {data['nc']}, {len(names)} names")
    return tuple(map(str, names))


def _find_entry(root: Path, entry: str) -> Path:
    """A path of a data.yaml; some tools write ../train/images for train/images."""
    path = root / entry
    inside = root / Path(*(part for part in PurePosixPath(entry).parts if part != ".."))
    if not path.exists() and entry.startswith("..") and inside.exists():
        return inside
    return path


def _list_images(place: Path, faults: Faults) -> list[Path]:
    """The images of a folder and all in it, or those that a list names, in its order."""
    if place.is_dir():
        found = sorted(path for path in place.rglob("*") if path.suffix.lower() in IMAGES)
        if not found:
            raise UserError(f"expected images in {place}, found none")
        return found
    if not place.is_file():
        raise UserError(f"expected a folder of images or a list of them at {place}, found nothing")
    images: list[Path] = []
    for number, line in enumerate(_read_lines(place), start=1):
        if line.strip():
            image = _find_listed(place.parent, line.strip())
            if image is None:
                faults.add(f"{place.name}:{number}", f"no file {line.strip()}")
            else:
                images.append(image)
    if not images:
        raise UserError(f"expected images that are there in the list {place}, found none")
    return images


def _find_listed(folder: Path, entry: str) -> Path | None:
    """An image of a list, whose paths start at a folder of another program or machine."""
    parts = PurePosixPath(entry.replace("\\", "/")).parts
    ends = (folder / Path(*parts[index:]) for index in range(len(parts)))
    return next((path for path in ends if path.is_file()), None)


def _scan_images(source: Path, paths: Sequence[Path], names: tuple[str, ...], faults: Faults) -> Dataset:
    """Images numbered from 1, and the boxes of their label files; an image without one has no boxes."""
    labels = [find_labels(path) for path in paths]
    if not any(path.is_file() for path in labels):
        raise UserError(f"expected labels such as {labels[0]} for the images of {source}, found none")
    for orphan in _find_orphans(labels):
        faults.add(orphan, "labels of an image that is not there")
    images: list[LabelledImage] = []
    for path, label_path, size in zip(paths, labels, measure_images(paths, faults), strict=True):
        if size is not None:
            rows = list(_read_rows(label_path, size, len(names), faults))
            images.append(label_image(len(images) + 1, path, size, rows, faults))
    return Dataset(source, tuple(images), names, tuple(range(1, len(names) + 1)))


def _read_rows(path: Path, size_wh: SizeWH, classes: int, faults: Faults) -> Iterator[BoxRow]:
    if not path.is_file():
        return
    folder = faults.source if faults.source.is_dir() else faults.source.parent
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    for number, line in enumerate(_read_lines(path), start=1):
        if line.strip():
            row = parse_row(line, size_wh, classes, f"{name}:{number}")
            if isinstance(row, str):
                faults.add(f"{name}:{number}", row)
            else:
                yield row


def _read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()


def _find_orphans(labels: Sequence[Path]) -> list[Path]:
    """Label files in labels/ without an image in images/, whether the split names it or not."""
    known = set(labels)
    orphans: list[Path] = []
    for folder in sorted({path.parent for path in labels if "labels" in path.parts}):
        images = _swap_last(folder, "labels", "images")
        stems = {path.stem for path in images.iterdir()} if images.is_dir() else set()
        found = [path for path in folder.glob("*.txt") if path not in known and path.stem not in stems]
        orphans += sorted(path for path in found if path.name != "classes.txt")
    return orphans


def _swap_last(path: Path, old: str, new: str) -> Path:
    """The path with `new` for its last folder named `old`; itself without any."""
    parts = list(path.parts)
    if old not in parts:
        return path
    parts[len(parts) - 1 - parts[::-1].index(old)] = new
    return Path(*parts)
