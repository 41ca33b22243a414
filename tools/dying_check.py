"""How many of what dies a model takes for living: python tools/dying_check.py --model NAME … [--place NAME …]

Monsters are shot at, as for training, in a scenario and on validation maps. Of their boxes at least 32 px
high those are counted that a detection overlaps by half: the dying, which it should not, and the living.
"""

import argparse
from collections.abc import Sequence
from contextlib import closing

import numpy as np

from aimbot.config import load_settings
from arena.labels import Box, find_dying, find_monsters
from arena.maps import SPLITS
from arena.scenes import Place, iterate_scenes
from capture.frame import Frame, Region
from detection.boxes import compute_iou
from detection.detector import Detector, open_detector

LEAST_HEIGHT_PX = 32
OVERLAP = 0.5
SEED = 77  # no training's


def count_found(detector: Detector, place: str, frames: int) -> list[int]:
    """Dying, dying and found, living, living and found."""
    counts = np.zeros(4, int)
    rng = np.random.default_rng(SEED)
    with closing(iterate_scenes(Place(place), rng, shows_deaths=True)) as scenes:
        for number, state in zip(range(frames), scenes, strict=False):
            pixels = np.ascontiguousarray(state.screen_buffer)
            height, width = pixels.shape[:2]
            found = detector.detect(Frame(pixels, number, number, Region(0, 0, width, height))).xyxy_px
            living = [monster.box for monster in find_monsters(state)]
            counts += [*count_matched(find_dying(state), found), *count_matched(living, found)]
    return counts.tolist()


def count_matched(boxes: Sequence[Box], found: np.ndarray) -> tuple[int, int]:
    """How many boxes are high enough, and how many of these overlap one that was found."""
    high = np.array([box for box in boxes if box[3] - box[1] >= LEAST_HEIGHT_PX], np.float32)
    if not len(high) or not len(found):
        return len(high), 0
    return len(high), int((compute_iou(high, found).max(axis=1) >= OVERLAP).sum())


def main() -> None:
    """Print a row of Markdown for each model and place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["doom-nano"])
    parser.add_argument("--place", nargs="+", default=["deadly_corridor", *SPLITS["validation"]])
    parser.add_argument("--frames", type=int, default=300, help="of each place")
    asked = parser.parse_args()
    print("| model | place | dying | taken for living | living | found |\n|---|---|---|---|---|---|")
    for model in asked.model:
        detector = open_detector(load_settings("doom", [f"detector.model={model}"]).detector)
        for place in asked.place:
            print("|", " | ".join(map(str, [model, place, *count_found(detector, place, asked.frames)])), "|")
        detector.close()


if __name__ == "__main__":
    main()
