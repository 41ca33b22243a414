"""A session as the recorder would have written it, made with the simulated game."""

from typing import Any

import numpy as np

from aimbot.aimer import AimSettings
from aimbot.rows import encode_detections
from benchmarks.aim.laws import Ours
from benchmarks.aim.plant import NS, SIZE_WH, Plant, PlantSettings
from benchmarks.aim.targets import make_scene


def record_plant(plant: PlantSettings, target: str, seconds: float, seed: int = 1) -> list[dict[str, Any]]:
    """Rows of our law in the plant; pictures that come while the detector works have a number and no row."""
    rng = np.random.default_rng(seed)
    game = Plant(plant, make_scene(target, rng, seconds, plant.target_deg_per_s), rng)
    law, rows, free_s = Ours(plant, AimSettings()), list[dict[str, Any]](), 0.0
    while game.time_s < seconds:
        number, picture = game.tick, game.advance()
        captured_s = picture.captured_ns / NS
        if free_s > captured_s:
            continue
        free_s = captured_s + plant.detector_ms / 1e3
        dx, dy = law.steer(picture, round(free_s * NS))
        game.send(free_s, dx, dy)
        rows.append(
            {
                "frame_id": number,
                "captured_ns": picture.captured_ns,
                "region": [0, 0, *SIZE_WH],
                "sent_ns": round(free_s * NS),
                "detections": encode_detections(picture.detections),
                "applied": {"dx_counts": dx, "dy_counts": dy, "fire": False, "refusal": None},
                "stage_ms": {"wait": 0.0, "detect": plant.detector_ms, "age": plant.detector_ms},
            }
        )
    return rows
