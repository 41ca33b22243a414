"""Which maps a split may show, and small data sets from the real game."""

import json
from contextlib import closing
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("vizdoom")

from arena.dataset import Job, make_dataset, plan_jobs, run_guarded, run_job, to_coco
from arena.labels import find_dying
from arena.maps import SCENARIOS, SPLITS
from arena.scenes import Place, iterate_scenes
from arena.views import cast_ray, choose_viewpoint

ROOM = np.array([(0, 0, 1000, 0), (1000, 0, 1000, 600), (1000, 600, 0, 600), (0, 600, 0, 0)], np.float64)


def is_reserved(place: str) -> bool:
    """ARENA.md: freedoom2 MAP21 to MAP32, freedoom1 E3 and E4."""
    wad, _, name = place.rpartition("/")
    return (wad == "freedoom2" and int(name[3:]) >= 21) or (wad == "freedoom1" and name[1] in "34")


@pytest.mark.parametrize("frames", [1, 37, 30_000])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_no_frame_to_train_or_tune_on_comes_from_a_reserved_map(split: str, frames: int) -> None:
    places = {job.place.name for job in plan_jobs(split, frames, 1, Path(), ".png")}
    assert places
    assert not [place for place in places if is_reserved(place)]


def test_the_reserved_split_shows_every_reserved_map_and_no_other() -> None:
    places = {job.place.name for job in plan_jobs("reserved", 600, 1, Path(), ".png")}
    assert len(places) == 12 + 18
    assert all(is_reserved(place) for place in places)


def test_no_map_is_in_two_splits() -> None:
    places = [place for split in SPLITS.values() for place in split] + list(SCENARIOS)
    assert len(places) == len(set(places))


@pytest.mark.parametrize(("split", "frames"), [("train", 1000), ("validation", 7), ("reserved", 600)])
def test_a_plan_asks_for_the_frames_wanted_under_seeds_and_names_of_their_own(
    split: str, frames: int
) -> None:
    jobs = plan_jobs(split, frames, 5, Path("images"), ".jpg")
    assert sum(job.frames for job in jobs) == frames
    assert len({job.seed for job in jobs}) == len({job.prefix for job in jobs}) == len(jobs)


def test_training_shows_the_scenarios_and_mostly_remixed_maps_and_no_other_split_does() -> None:
    jobs = plan_jobs("train", 1000, 1, Path(), ".jpg")
    assert sum(job.frames for job in jobs if job.place.name in SCENARIOS) == 300
    assert sum(job.frames for job in jobs if job.place.remixed) == 490
    for split in ("validation", "reserved"):
        jobs = plan_jobs(split, 1000, 1, Path(), ".png")
        assert not any(job.place.remixed or job.place.name in SCENARIOS for job in jobs)


def test_coco_boxes_are_left_top_width_height_of_their_image() -> None:
    coco = to_coco(
        [
            ("a.png", [((1.0, 2.0, 11.0, 22.0), False)]),
            ("b.png", []),
            ("c.png", [((0.0, 0.0, 5.0, 5.0), True)]),
        ]
    )
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "b.png", "c.png"]
    assert coco["categories"] == [{"id": 1, "name": "monster"}]
    assert coco["annotations"][0]["bbox"] == [1.0, 2.0, 10.0, 20.0]
    assert coco["annotations"][0]["area"] == 200.0
    assert [(a["id"], a["image_id"]) for a in coco["annotations"]] == [(1, 1), (2, 3)]
    assert [a["iscrowd"] for a in coco["annotations"]] == [0, 1]


def test_a_ray_ends_at_the_nearest_wall() -> None:
    assert cast_ray(ROOM, (400.0, 300.0), 0.0) == pytest.approx(600)
    assert cast_ray(ROOM, (400.0, 300.0), np.pi / 2) == pytest.approx(300)
    assert cast_ray(ROOM, (-10.0, 300.0), np.pi) == float("inf")


def test_a_viewpoint_is_inside_the_room_and_faces_the_monster() -> None:
    rng = np.random.default_rng(0)
    views = [view for _ in range(200) if (view := choose_viewpoint(ROOM, (400.0, 300.0), rng))]
    assert len(views) > 150
    for x, y, angle_deg in views:
        assert 0 < x < 1000
        assert 0 < y < 600
        towards = np.degrees(np.arctan2(300 - y, 400 - x))
        assert (angle_deg - towards + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


PLACES = [Place("defend_the_center"), Place("freedoom1/E1M1"), Place("freedoom2/MAP02", remixed=True)]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.name}-{place.remixed}")
def test_the_same_job_makes_the_same_frames_and_boxes(tmp_path: Path, place: Place) -> None:
    results = []
    for run in ("a", "b"):
        folder = tmp_path / run
        folder.mkdir()
        rows = run_job(Job(place, 6, 11, "0000", str(folder), ".png"))
        results.append((rows, [(folder / name).read_bytes() for name, _ in rows]))
    assert results[0] == results[1]
    assert len(results[0][0]) == 6


def test_training_alone_shows_monsters_that_die() -> None:
    for split, shown in (("train", True), ("validation", False), ("reserved", False)):
        assert {job.shows_deaths for job in plan_jobs(split, 100, 1, Path(), ".png")} == {shown}
    assert not any(job.shows_deaths for job in plan_jobs("train", 100, 1, Path(), ".png", "ExplosiveBarrel"))


@pytest.mark.parametrize("name", ["deadly_corridor", "freedoom2/MAP03"])
def test_they_are_shot_before_the_view_and_have_no_label(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(iterate_scenes(Place(name), np.random.default_rng(5), shows_deaths=True)) as scenes:
        dying = sum(bool(find_dying(state)) for state in islice(scenes, 400))
    assert dying >= 2
    everything = [(0.0, 0.0, 640.0, 480.0)]
    monkeypatch.setattr("arena.dataset.find_dying", lambda state: everything)
    with_them = run_job(Job(Place(name), 4, 5, "0000", str(tmp_path), ".png"))
    without = run_job(Job(Place(name), 4, 5, "0000", str(tmp_path), ".png", shows_deaths=True))
    assert all((everything[0], True) in boxes for _, boxes in with_them)
    assert not any((everything[0], True) in boxes for _, boxes in without)


def test_another_thing_than_monsters_is_sought_and_labelled(tmp_path: Path) -> None:
    rows = run_job(Job(Place("freedoom1/E2M7"), 12, 3, "0000", str(tmp_path), ".png", "ExplosiveBarrel"))
    assert len(rows) == 12
    assert sum(bool(boxes) for _, boxes in rows) >= 10


def test_a_map_without_what_is_sought_ends_the_job(tmp_path: Path) -> None:
    assert not run_job(Job(Place("freedoom2/MAP02"), 4, 3, "0000", str(tmp_path), ".png", "NoSuchThing"))


def test_a_job_that_takes_too_long_is_given_up_with_its_game(tmp_path: Path) -> None:
    job = Job(Place("freedoom2/MAP02"), 10_000, 3, "0000", str(tmp_path), ".png")
    assert run_guarded(job, 1.5) is None


def test_a_data_set_has_an_image_of_640_by_480_for_every_row_and_says_where_it_is_from(
    tmp_path: Path,
) -> None:
    manifest = make_dataset(tmp_path / "set", "validation", 10, seed=4, processes=2)
    coco = json.loads((tmp_path / "set" / "annotations.json").read_text())
    files = {path.name for path in (tmp_path / "set" / "images").iterdir()}
    assert {image["file_name"] for image in coco["images"]} <= files
    for image in coco["images"]:
        pixels = cv2.imread(str(tmp_path / "set" / "images" / image["file_name"]))
        assert pixels is not None
        assert pixels.shape == (480, 640, 3)
    assert coco["annotations"]
    for row in coco["annotations"]:
        left, top, width, height = row["bbox"]
        assert min(left, top) >= 0
        assert left + width <= 640
        assert top + height <= 480
    assert manifest == json.loads((tmp_path / "set" / "manifest.json").read_text()) | {"size_wh": (640, 480)}
    assert manifest["seed"] == 4
    assert set(manifest["places"]) == set(SPLITS["validation"])
