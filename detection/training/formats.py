"""Labelled data of any known layout to a Dataset, and a Dataset to files."""

import json
import os
import shutil
from pathlib import Path

from capture.errors import UserError
from detection.training.coco import dataset_to_coco, scan_coco
from detection.training.dataset import Dataset, Faults
from detection.training.yolo_txt import (
    find_names_file,
    format_rows,
    import_yaml,
    scan_folder,
    scan_yaml,
    split_names,
)

LAYOUTS = (
    "a COCO .json, a data.yaml, or a folder with annotations.json, _annotations.coco.json, "
    "annotations/instances_*.json, data.yaml, or class names (classes.txt, obj.names) and .txt labels"
)


def read_dataset(path: Path, images_dir: Path | None = None, split: str = "train") -> Dataset:
    """Labelled images of any known layout; UserError with the first few faults, if there are any.

    images_dir: where a COCO file's images are, if neither beside it nor in images/. split: which part,
    where the layout has parts. Pixels are not looked at where the labels tell the images' sizes.
    """
    dataset, faults = scan_dataset(path, images_dir, split)
    faults.raise_any()
    return dataset


def scan_dataset(path: Path, images_dir: Path | None = None, split: str = "train") -> tuple[Dataset, Faults]:
    """What is sound of a data set, and what is not; UserError if there is none at `path`."""
    faults = Faults(path)
    labels = _find_labels(path, split)
    if labels.suffix == ".json":
        return scan_coco(labels, images_dir, faults), faults
    if images_dir is not None:
        raise UserError(f"expected --images with COCO labels alone, got it with {labels}; leave it out")
    if labels.suffix in (".yaml", ".yml"):
        return scan_yaml(labels, split, faults), faults
    return scan_folder(path, labels, split, faults), faults


def write_coco(dataset: Dataset, folder: Path, link: bool = False) -> None:
    """Write images/ and annotations.json, ids kept; `link` makes hard links of the images."""
    names = place_images(dataset, folder / "images", link)
    text = json.dumps(dataset_to_coco(dataset, names), ensure_ascii=False)
    (folder / "annotations.json").write_text(text, encoding="utf-8")


def write_yolo_txt(dataset: Dataset, folder: Path, link: bool = False) -> None:
    """Write images/, labels/, train.txt (the order), data.yaml for training and classes.txt for labelling.

    Crowds are left out: the format has none.
    """
    yaml = import_yaml()
    names = place_images(dataset, folder / "images", link)
    (folder / "labels").mkdir(exist_ok=True)
    for image, name in zip(dataset.images, names, strict=True):
        labels = (folder / "labels" / name).with_suffix(".txt")
        labels.write_text(format_rows(image), encoding="utf-8")
    (folder / "train.txt").write_text("".join(f"./images/{name}\n" for name in names), encoding="utf-8")
    (folder / "classes.txt").write_text("".join(f"{n}\n" for n in dataset.class_names), encoding="utf-8")
    data = {
        "train": "train.txt",
        "nc": len(dataset.class_names),
        "names": dict(enumerate(dataset.class_names)),
    }
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def place_images(dataset: Dataset, folder: Path, link: bool) -> list[str]:
    """Copy or hard-link the images into one folder; returns their names there, numbered if some are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [image.path.name for image in dataset.images]
    if len({Path(name).stem.casefold() for name in names}) < len(names):
        names = [f"{index:06d}_{name}" for index, name in enumerate(names)]
    transfer = os.link if link else shutil.copyfile
    for image, name in zip(dataset.images, names, strict=True):
        target = folder / name
        if target.exists() and target.samefile(image.path):
            continue
        try:
            transfer(image.path, target)
        except OSError as error:
            raise UserError(
                f"expected to {'link' if link else 'copy'} {image.path} to {target}, got: {error.strerror}"
                + ("; leave out --link to copy" if link else "")
            ) from error
    return names


def _find_labels(path: Path, split: str) -> Path:
    """The file that tells what the labels are: COCO, YAML, or the class names of a bare folder."""
    if path.is_file() and path.suffix in (".json", ".yaml", ".yml"):
        return path
    if path.is_dir():
        parts = [path / name / "_annotations.coco.json" for name in split_names(split)]
        single = [path / "annotations.json", path / "_annotations.coco.json", *parts]
        for file in (*single, path / "data.yaml", path / "data.yml"):
            if file.is_file():
                return file
        instances = sorted((path / "annotations").glob("instances_*.json"))
        if instances:
            return _choose_instances(instances, split)
        names = find_names_file(path)
        if names is not None:
            return names
    found = "nothing" if not path.exists() else "none of these" if path.is_dir() else "another file"
    raise UserError(f"expected {LAYOUTS} at {path}, found {found}")


def _choose_instances(paths: list[Path], split: str) -> Path:
    """The only one, or the one of the split: instances_train.json, instances_train2017.json."""
    of_split = [
        path
        for path in paths
        if any(path.stem.removeprefix("instances_").startswith(name) for name in split_names(split))
    ]
    if len(paths) == 1:
        return paths[0]
    if len(of_split) == 1:
        return of_split[0]
    raise UserError(
        f"expected one of {', '.join(path.name for path in paths)} for split {split}; name the file itself"
    )
