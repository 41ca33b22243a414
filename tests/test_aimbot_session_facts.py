"""What a session shows is what the game that made it was set to."""

import pytest
from session_helpers import record_plant

from aimbot.rows import encode_detections
from aimbot.session_facts import SessionFacts, find_facts
from aimbot.tracker import TrackerSettings
from aimbot.view import ViewSettings
from benchmarks.aim.plant import PlantSettings
from capture.errors import UserError
from detection.detections import no_detections

QUIET = PlantSettings()
ROUGH = PlantSettings(
    frame_hz=35,
    jitter_ms=6,
    missed_share=0.12,
    detector_ms=20,
    noise_px=1.2,
    noise_share=(0.08, 0.04),
    target_deg_per_s=8,
)
SECONDS = 8.0


def view_of(plant: PlantSettings) -> ViewSettings:
    yaw, pitch = plant.deg_per_count
    return ViewSettings(
        yaw_deg_per_count=yaw,
        pitch_deg_per_count=pitch,
        display_latency_ms=plant.latency_ms,
        display_jitter_ms=plant.wait_ms,
    )


def facts_of(rows: list[dict], plant: PlantSettings = QUIET) -> SessionFacts:
    return find_facts(rows, view_of(plant), TrackerSettings(), classes=1, min_confidence=0.35)


@pytest.mark.parametrize("target", ["constant", "strafing"])
@pytest.mark.parametrize(("plant", "noise_factor"), [(QUIET, 1.0), (ROUGH, 2.0)])
def test_a_sessions_facts_are_those_of_the_game_that_made_it(
    plant: PlantSettings, noise_factor: float, target: str
) -> None:
    facts = facts_of(record_plant(plant, target, SECONDS), plant)
    assert facts.frame_hz == pytest.approx(plant.frame_hz, rel=0.02)
    assert facts.jitter_ms == pytest.approx(plant.jitter_ms, rel=0.2)
    assert facts.detector_ms == pytest.approx(plant.detector_ms)
    assert facts.missed_share == pytest.approx(plant.missed_share, abs=0.03)
    assert facts.false_share == pytest.approx(plant.false_share, abs=0.025)
    assert facts.noise_factor == pytest.approx(noise_factor, rel=0.2)
    assert facts.speed_deg_per_s == pytest.approx(plant.target_deg_per_s, rel=0.2)
    assert facts.targets == 1


def test_a_still_target_has_hardly_a_speed() -> None:
    assert facts_of(record_plant(QUIET, "still", SECONDS)).speed_deg_per_s < 1.0


def test_the_frame_rate_is_the_games_where_the_detector_is_slower() -> None:
    plant = PlantSettings(frame_hz=120, detector_ms=30)
    rows = record_plant(plant, "still", SECONDS)
    assert len(rows) < SECONDS * plant.frame_hz / 2
    assert facts_of(rows, plant).frame_hz == pytest.approx(120, rel=0.02)


def test_pictures_that_were_there_before_are_left_out() -> None:
    rows = record_plant(QUIET, "still", SECONDS)
    again = []
    for index, row in enumerate(rows):
        again.append({**row, "frame_id": 2 * row["frame_id"]})
        stages = {"wait": 0.0, "detect": 0.001, "age": 0.1}
        late = {"captured_ns": row["captured_ns"] + 5_000_000, "sent_ns": row["sent_ns"] + 5_000_000}
        if index % 3 == 0:
            still = {"dx_counts": 0, "dy_counts": 0, "fire": False, "refusal": None}
            again.append(
                {**row, **late, "frame_id": 2 * row["frame_id"] + 1, "stage_ms": stages, "applied": still}
            )
    facts = facts_of(again)
    assert facts.pictures == len(rows)
    assert facts.detector_ms == pytest.approx(QUIET.detector_ms)
    assert facts.missed_share == pytest.approx(facts_of(rows).missed_share)


def test_rows_of_pictures_alone_are_refused() -> None:
    rows = [{"frame_id": 0, "captured_ns": 0, "region": [0, 0, 640, 480]}]
    with pytest.raises(UserError, match="run --record"):
        facts_of(rows)


def test_a_session_that_is_too_short_says_how_long_it_has_to_be() -> None:
    with pytest.raises(UserError, match="60 new pictures"):
        facts_of(record_plant(QUIET, "still", 0.5))


def test_a_session_without_targets_is_refused() -> None:
    rows = record_plant(QUIET, "still", 2.0)
    empty = [{**row, "detections": encode_detections(no_detections())} for row in rows]
    with pytest.raises(UserError, match="0 targets"):
        facts_of(empty)
