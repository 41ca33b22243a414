"""Labelled frames from ViZDoom: `python -m arena.dataset --out DIR --split train --frames 16000 --seed 1`.

Writes DIR/images, DIR/annotations.json (COCO, one category) and DIR/manifest.json. The maps that are
reserved for evaluation are reachable from the split `reserved` alone.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import vizdoom as vzd

from arena.labels import MONSTERS, Box, find_dying, find_monsters, find_things, is_hidden
from arena.maps import SCENARIOS, SPLITS
from arena.scenes import Place, iterate_scenes

SCENARIO_SHARE = {"train": 0.3, "validation": 0.0, "reserved": 0.0}
REMIXED_SHARE = {"train": 0.7, "validation": 0.0, "reserved": 0.0}
SHOWS_DEATHS = {"train": True, "validation": False, "reserved": False}
SIZE_WH = (640, 480)
FRAMES_PER_JOB = 80
EMPTY_SHARE = 0.08
JOB_LIMIT_S = 120.0

LabelledBox = tuple[Box, bool]
"""A box, and whether it is to be ignored because nobody could tell from the picture what is in it."""
Row = tuple[str, list[LabelledBox]]
"""A file's name and its boxes."""


@dataclass(frozen=True, slots=True)
class Job:
    """A part of a data set that one process makes."""

    place: Place
    frames: int
    seed: int
    prefix: str
    folder: str
    suffix: str
    thing: str | None = None
    """A class of the game's to label; None: the living monsters."""
    shows_deaths: bool = False
    """Whether many monsters are killed in view; what dies has no label then: a training unlearns it."""


def make_dataset(
    out: Path,
    split: str,
    frames: int,
    seed: int,
    processes: int | None = None,
    job_limit_s: float = JOB_LIMIT_S,
    thing: str | None = None,
) -> dict[str, Any]:
    """Write a data set; the same arguments give the same frames, but for jobs that are given up.

    Monsters are labelled, as one class, or else the things of one class of the game's (`ExplosiveBarrel`).

    A job that takes longer than `job_limit_s`, as when the game hangs, is killed and its frames are left out.
    Returns the manifest, which counts these jobs.
    """
    images = out.resolve() / "images"  # the jobs work in folders of their own
    images.mkdir(parents=True, exist_ok=True)
    suffix = ".jpg" if split == "train" else ".png"
    jobs = plan_jobs(split, frames, seed, images, suffix, thing)
    with ThreadPoolExecutor(processes or os.cpu_count() or 1) as pool:
        results = list(pool.map(lambda job: run_guarded(job, job_limit_s), jobs))
    coco = to_coco([row for rows in results for row in rows or []][:frames], thing or "monster")
    (out / "annotations.json").write_text(json.dumps(coco))
    manifest = {
        "split": split,
        "frames": len(coco["images"]),
        "boxes": len(coco["annotations"]),
        "ignored_boxes": sum(row["iscrowd"] for row in coco["annotations"]),
        "given_up": [job.prefix for job, rows in zip(jobs, results, strict=True) if rows is None],
        "seed": seed,
        "size_wh": SIZE_WH,
        "places": sorted({job.place.name for job in jobs}),
        "remixed_share": REMIXED_SHARE[split],
        "vizdoom": vzd.__version__,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def plan_jobs(
    split: str, frames: int, seed: int, images: Path, suffix: str, thing: str | None = None
) -> list[Job]:
    """Spread the frames over the split's maps, remixed and as they are, and for training the scenarios."""
    on_scenarios = 0 if thing else round(frames * SCENARIO_SHARE[split])  # which have monsters alone
    remixed = round((frames - on_scenarios) * REMIXED_SHARE[split])
    shares: list[tuple[Place, int]] = []
    for names, total, is_remixed in (
        (SPLITS[split], frames - on_scenarios - remixed, False),
        (SPLITS[split], remixed, True),
        (SCENARIOS, on_scenarios, False),
    ):
        for index, name in enumerate(names):
            shares.append((Place(name, is_remixed), total // len(names) + (index < total % len(names))))
    jobs: list[Job] = []
    for place, count in shares:
        while count > 0:
            number = len(jobs)
            part = min(count, FRAMES_PER_JOB)
            prefix, dies = f"{number:04d}", SHOWS_DEATHS[split] and not thing
            jobs.append(Job(place, part, seed * 100_003 + number, prefix, str(images), suffix, thing, dies))
            count -= part
    return jobs


def run_guarded(job: Job, limit_s: float) -> list[Row] | None:
    """run_job in a process group of its own; None if that had to be killed, or failed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_rows, args=(job, sender))
    process.start()
    sender.close()
    try:
        rows: list[Row] | None = receiver.recv() if receiver.poll(limit_s) else None
    except EOFError:  # it died
        rows = None
    if rows is None and process.pid:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the game, too
    process.join()
    return rows


def _send_rows(job: Job, sender: Connection) -> None:
    os.setsid()
    sender.send(run_job(job))


def run_job(job: Job) -> list[Row]:
    """Make the frames of one job; returns (file name, boxes) for each that was written."""
    rng = np.random.default_rng(job.seed)
    rows: list[Row] = []
    attempts = empty = 0
    sought = frozenset([job.thing]) if job.thing else MONSTERS
    with closing(iterate_scenes(job.place, rng, sought, job.shows_deaths)) as scenes:
        for state in scenes:
            attempts += 1
            if len(rows) >= job.frames or attempts > 15 * job.frames:
                break
            pixels = np.ascontiguousarray(state.screen_buffer)
            sprites = find_things(state, job.thing) if job.thing else find_monsters(state)
            boxes = [(sprite.box, is_hidden(sprite, pixels)) for sprite in sprites]
            if not job.thing and not job.shows_deaths:
                boxes += [(box, True) for box in find_dying(state)]
            if not boxes and empty >= EMPTY_SHARE * job.frames:
                continue
            empty += not boxes
            name = f"{job.prefix}_{len(rows):04d}{job.suffix}"
            quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if job.suffix == ".jpg" else []
            cv2.imwrite(str(Path(job.folder) / name), pixels, quality)
            rows.append((name, boxes))
    return rows


def to_coco(rows: list[Row], category: str = "monster") -> dict[str, Any]:
    """COCO JSON with one category; boxes to ignore have iscrowd 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, boxes) in enumerate(rows, start=1):
        images.append({"id": image_id, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]})
        for (left, top, right, bottom), ignored in boxes:
            width, height = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": int(ignored),
                }
            )
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": category}]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=sorted(SPLITS), required=True)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--thing", help="label things of this class, not monsters")
    parser.add_argument("--job-limit-s", type=float, default=JOB_LIMIT_S)
    a = parser.parse_args()
    manifest = make_dataset(a.out, a.split, a.frames, a.seed, a.processes, a.job_limit_s, a.thing)
    print(json.dumps(manifest, indent=1))


if __name__ == "__main__":
    main()
