"""Labelled frames from ViZDoom: `python -m arena.dataset --out DIR --split train --frames 16000 --seed 1`.

Writes DIR/images, DIR/annotations.json (COCO, one category) and DIR/manifest.json. The maps that are
reserved for evaluation are reachable from the split `reserved` alone.
"""

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import vizdoom as vzd

from arena.labels import Box, find_monsters
from arena.views import choose_viewpoint, read_walls

SCENARIOS = ("defend_the_center", "defend_the_line", "deadly_corridor")
VALIDATION_MAPS = (
    "freedoom2/MAP18",
    "freedoom2/MAP19",
    "freedoom2/MAP20",
    "freedoom1/E2M7",
    "freedoom1/E2M9",
)
RESERVED_MAPS = tuple(
    [f"freedoom2/MAP{n}" for n in range(21, 33)]
    + [f"freedoom1/E{e}M{m}" for e in (3, 4) for m in range(1, 10)]
)
TRAIN_MAPS = tuple(
    name
    for name in [f"freedoom2/MAP{n:02d}" for n in range(1, 21)]
    + [f"freedoom1/E{e}M{m}" for e in (1, 2) for m in range(1, 10)]
    if name not in VALIDATION_MAPS
)
SPLITS = {"train": TRAIN_MAPS, "validation": VALIDATION_MAPS, "reserved": RESERVED_MAPS}
SCENARIO_SHARE = {"train": 0.3, "validation": 0.0, "reserved": 0.0}
SIZE_WH = (640, 480)
FRAMES_PER_JOB = 120
EMPTY_SHARE = 0.08
SCENES_PER_MAP_START = 25
MONSTERS = frozenset(
    [
        "Zombieman",
        "ShotgunGuy",
        "ChaingunGuy",
        "DoomImp",
        "Demon",
        "Spectre",
        "LostSoul",
        "Cacodemon",
        "HellKnight",
        "BaronOfHell",
        "Arachnotron",
        "PainElemental",
        "Revenant",
        "Fatso",
        "Archvile",
        "WolfensteinSS",
        "Cyberdemon",
        "SpiderMastermind",
    ]
)


@dataclass(frozen=True, slots=True)
class Job:
    """A part of a data set that one process makes: `place` is a map or a scenario."""

    place: str
    frames: int
    seed: int
    prefix: str
    folder: str
    suffix: str


def make_dataset(
    out: Path, split: str, frames: int, seed: int, processes: int | None = None
) -> dict[str, Any]:
    """Write a data set; the same arguments give the same frames. Returns the manifest."""
    images = out.resolve() / "images"  # the jobs work in folders of their own
    images.mkdir(parents=True, exist_ok=True)
    suffix = ".jpg" if split == "train" else ".png"
    jobs = plan_jobs(split, frames, seed, images, suffix)
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=8) as pool:
        results = [row for rows in pool.imap(run_job, jobs) for row in rows]
    coco = to_coco(results[:frames])
    (out / "annotations.json").write_text(json.dumps(coco))
    manifest = {
        "split": split,
        "frames": len(coco["images"]),
        "boxes": len(coco["annotations"]),
        "seed": seed,
        "size_wh": SIZE_WH,
        "places": sorted({job.place for job in jobs}),
        "vizdoom": vzd.__version__,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def plan_jobs(split: str, frames: int, seed: int, images: Path, suffix: str) -> list[Job]:
    """Spread the frames over the split's maps and, for training, the scenarios."""
    on_scenarios = round(frames * SCENARIO_SHARE[split])
    shares: list[tuple[str, int]] = []
    for places, total in ((SPLITS[split], frames - on_scenarios), (SCENARIOS, on_scenarios)):
        for index, place in enumerate(places):
            shares.append((place, total // len(places) + (index < total % len(places))))
    jobs: list[Job] = []
    for place, count in shares:
        while count > 0:
            number = len(jobs)
            part = min(count, FRAMES_PER_JOB)
            jobs.append(Job(place, part, seed * 100_003 + number, f"{number:04d}", str(images), suffix))
            count -= part
    return jobs


def run_job(job: Job) -> list[tuple[str, list[Box]]]:
    """Make the frames of one job; returns (file name, boxes) for each that was written."""
    rng = np.random.default_rng(job.seed)
    scenes = scenario_scenes if job.place in SCENARIOS else map_scenes
    rows: list[tuple[str, list[Box]]] = []
    with open_headless(job, rng) as game:
        attempts = 0
        empty = 0
        for state in scenes(game, rng):
            attempts += 1
            if len(rows) >= job.frames or attempts > 15 * job.frames:
                break
            boxes = find_monsters(state)
            if not boxes and empty >= EMPTY_SHARE * job.frames:
                continue
            empty += not boxes
            name = f"{job.prefix}_{len(rows):04d}{job.suffix}"
            pixels = np.ascontiguousarray(state.screen_buffer)
            quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if job.suffix == ".jpg" else []
            cv2.imwrite(str(Path(job.folder) / name), pixels, quality)
            rows.append((name, boxes))
    return rows


@contextmanager
def open_headless(job: Job, rng: np.random.Generator) -> Iterator[vzd.DoomGame]:
    """A game without a window; HUD, weapon and crosshair are drawn from the job's seed."""
    game = vzd.DoomGame()
    if job.place in SCENARIOS:
        game.load_config(str(Path(vzd.scenarios_path) / f"{job.place}.cfg"))
        game.set_episode_timeout(0)
    else:
        wad, name = job.place.split("/")
        game.set_doom_game_path(str(Path(vzd.__file__).parent / f"{wad}.wad"))
        game.set_doom_map(name)
        game.set_objects_info_enabled(True)
        game.set_sectors_info_enabled(True)
    game.set_window_visible(False)
    game.set_mode(vzd.Mode.PLAYER)
    game.set_screen_resolution(vzd.ScreenResolution.RES_640X480)
    game.set_screen_format(vzd.ScreenFormat.BGR24)
    game.set_labels_buffer_enabled(True)
    game.set_available_buttons([vzd.Button.TURN_LEFT_RIGHT_DELTA, vzd.Button.MOVE_FORWARD, vzd.Button.ATTACK])
    game.set_available_game_variables([vzd.GameVariable.ANGLE])
    game.set_render_hud(bool(rng.random() < 0.5))
    game.set_render_weapon(bool(rng.random() < 0.8))
    game.set_render_crosshair(bool(rng.random() < 0.5))
    game.set_render_screen_flashes(bool(rng.random() < 0.5))
    game.set_seed(int(rng.integers(1 << 30)))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        game.set_doom_config_path(str(Path(folder) / "doom.ini"))
        game.init()
        try:
            yield game
        finally:
            game.close()


def map_scenes(game: vzd.DoomGame, rng: np.random.Generator) -> Iterator[Any]:
    """Stand at varied distances from a map's monsters, looking roughly at one; then walk a little."""
    while True:
        game.new_episode()
        game.send_game_command("god")
        game.make_action([0, 0, 0], 2)
        state = game.get_state()
        walls = read_walls(state)
        hunted = rng.random() < 0.5  # else the monsters stand as they are placed
        if not hunted:
            game.send_game_command("notarget")
        for _ in range(SCENES_PER_MAP_START):
            state = game.get_state()
            if state is None:
                break
            monsters = [o for o in state.objects if o.name in MONSTERS]
            if not monsters:
                break
            monster = monsters[int(rng.integers(len(monsters)))]
            view = choose_viewpoint(walls, (monster.position_x, monster.position_y), rng)
            if view is None:
                continue
            x, y, angle = view
            game.send_game_command(f"warp {x:.0f} {y:.0f}")
            game.make_action([0, 0, 0], 1)
            wanted = angle + rng.normal(0, 18)
            turn = (game.get_game_variable(vzd.GameVariable.ANGLE) - wanted + 180) % 360 - 180
            game.make_action([turn, 0, 0], 1)
            for _ in range(int(rng.integers(1, 5))):
                fire = rng.random() < 0.25
                game.make_action(
                    [rng.normal(0, 4), int(rng.random() < 0.5), int(fire)], int(rng.integers(2, 9))
                )
                state = game.get_state()
                if state is None:
                    break
                yield state


def scenario_scenes(game: vzd.DoomGame, rng: np.random.Generator) -> Iterator[Any]:
    """Turn and fire at random in a scenario, so that monsters come near and corpses lie about."""
    while True:
        game.new_episode()
        if rng.random() < 0.5:
            game.send_game_command("god")
        for _ in range(int(rng.integers(40, 160))):
            forward = int(rng.random() < 0.2)
            game.make_action([rng.normal(0, 12), forward, int(rng.random() < 0.3)], int(rng.integers(2, 10)))
            if game.is_episode_finished():
                break
            yield game.get_state()


def to_coco(rows: list[tuple[str, list[Box]]]) -> dict[str, Any]:
    """COCO JSON with one category, `monster`."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, boxes) in enumerate(rows, start=1):
        images.append({"id": image_id, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]})
        for left, top, right, bottom in boxes:
            width, height = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "monster"}]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=sorted(SPLITS), required=True)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int)
    arguments = parser.parse_args()
    manifest = make_dataset(
        arguments.out, arguments.split, arguments.frames, arguments.seed, arguments.processes
    )
    print(json.dumps(manifest, indent=1))


if __name__ == "__main__":
    main()
