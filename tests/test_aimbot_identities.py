"""Numbers of targets over frames: in a video of moving boxes, through turns of the view, after gaps."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aim_helpers import MS, aim_settings, make_detections, make_frame

from aimbot.aimer import AimSettings
from aimbot.commands import detect as command
from aimbot.config import load_settings
from aimbot.identities import Identifier
from aimbot.ledger import CountLedger
from aimbot.shown import REDRAW_NS
from aimbot.target import XY
from aimbot.view import View
from capture.frame import Frame
from detection.detections import Detections
from detection.drawing import choose_colour

FPS, SIZE_WH, BOX_PX = 30, (320, 240), 24
RED_BGR, BLUE_BGR = (0, 0, 255), (255, 0, 0)
NAMES = ("monster", "friend")

Place = Callable[[int], tuple[int, int] | None]
"""Where the centre of a box is in each frame, if it is anywhere."""


class ColourDetector:
    """Finds the red box and the blue box, one above the other in turn, so that order says nothing."""

    class_names = ("monster",)
    input_size_wh = SIZE_WH

    def detect(self, frame: Frame) -> Detections:
        blue, _, red = cv2.split(frame.pixels)
        boxes = [find_box(colour) for colour in (red, blue)]
        found = [box for box in boxes if box is not None]
        return make_detections(found if frame.frame_id % 2 else found[::-1])

    def close(self) -> None:
        pass


def find_box(channel: Any) -> tuple[float, float, float, float] | None:
    rows, columns = np.nonzero(channel > 128)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def write_video(path: Path, places: Mapping[tuple[int, int, int], Place], frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE_WH)
    for index in range(frames):
        picture = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        for colour, place in places.items():
            centre = place(index)
            if centre is not None:
                x, y = centre[0] - BOX_PX // 2, centre[1] - BOX_PX // 2
                layer = np.zeros_like(picture)
                cv2.rectangle(layer, (x, y), (x + BOX_PX - 1, y + BOX_PX - 1), colour, cv2.FILLED)
                picture = np.maximum(picture, layer)
        writer.write(picture)
    writer.release()


@pytest.fixture
def detect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Mapping[tuple[int, int, int], Place], int], list[dict[str, Any]]]:
    """`detect --track` on a video of boxes; returns the rows."""

    def run(places: Mapping[tuple[int, int, int], Place], frames: int) -> list[dict[str, Any]]:
        write_video(tmp_path / "boxes.avi", places, frames)
        monkeypatch.setattr(command, "open_detector", lambda _settings: ColourDetector())
        out, predictions = tmp_path / "out", tmp_path / "p.json"
        result = command.detect([tmp_path / "boxes.avi"], load_settings(), [], out, predictions, True, jobs=1)
        rows: list[dict[str, Any]] = json.loads(predictions.read_text())
        assert result["frames"] == frames
        assert result["identities"] == len({row["track_id"] for row in rows})
        return rows

    return run


def numbers_near(rows: list[dict[str, Any]], place: Place) -> list[int]:
    """The number of the box whose centre is at `place`, in every frame that has it there alone."""
    numbers = []
    for frame_id in sorted({row["image_id"] for row in rows}):
        centre = place(frame_id)
        here = [row for row in rows if row["image_id"] == frame_id and centre and is_at(row, centre)]
        numbers += [row["track_id"] for row in here if len(here) == 1]
    return numbers


def is_at(row: dict[str, Any], centre: tuple[int, int]) -> bool:
    x, y, width, height = row["bbox"]
    return abs(x + width / 2 - centre[0]) < 4 and abs(y + height / 2 - centre[1]) < 4


def test_two_targets_that_cross_go_on_with_their_numbers(detect: Any, tmp_path: Path) -> None:
    def rightward(index: int) -> tuple[int, int]:
        return 60 + 5 * index, 120

    def leftward(index: int) -> tuple[int, int]:
        return 260 - 5 * index, 120

    rows = detect({RED_BGR: rightward, BLUE_BGR: leftward}, 40)
    red, blue = set(numbers_near(rows, rightward)), set(numbers_near(rows, leftward))
    assert (len(red), len(blue)) == (1, 1)
    assert red != blue
    video = cv2.VideoCapture(str(tmp_path / "out" / "annotated.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 40


def test_two_targets_that_meet_and_turn_back_swap_their_numbers(detect: Any) -> None:
    # Alike targets: constant velocity is all that tells them apart, so they seem to have crossed.
    def left(index: int) -> tuple[int, int]:
        return 160 - 5 * abs(20 - index), 120

    def right(index: int) -> tuple[int, int]:
        return 160 + 5 * abs(20 - index), 120

    rows = detect({RED_BGR: left, BLUE_BGR: right}, 41)
    start, end = numbers_near(rows[:20], left)[0], numbers_near(rows[-20:], left)[-1]
    assert start == numbers_near(rows[-20:], right)[-1]
    assert start != end


@pytest.mark.parametrize(("gap_frames", "numbers"), [(3, 1), (8, 2)])  # the tracker remembers 0.15 s
def test_a_target_that_is_hidden_keeps_its_number_for_as_long_as_the_tracker_remembers(
    detect: Any, gap_frames: int, numbers: int
) -> None:
    def place(index: int) -> tuple[int, int] | None:
        return None if 10 <= index < 10 + gap_frames else (100 + 2 * index, 120)

    rows = detect({RED_BGR: place}, 30)
    assert len(rows) == 30 - gap_frames
    assert {row["track_id"] for row in rows} == set(range(1, numbers + 1))


def numbers_in_turn(recorded: bool, shown_late_ms: Callable[[int], float] = lambda _index: 20.0) -> list[int]:
    """The numbers of one still target while the view turns by 5 degrees a frame, and then by 25 at once."""
    settings: AimSettings = aim_settings()
    view = View(settings.view, (640, 480))
    bearing_deg = 35.0
    counts = [38] * 5 + [190] + [0] * 4
    rows: dict[int, dict[str, Any]] = {}
    numbers: list[int] = []
    frames = [make_frame(index, 1_000 * MS + index * 30 * MS) for index in range(len(counts))]
    for frame, dx in zip(frames, counts, strict=True):
        rows[frame.frame_id] = {
            "sent_ns": frame.captured_ns + 8 * MS,
            "applied": {"dx_counts": dx, "dy_counts": 0},
        }
    identifier = Identifier(settings, NAMES, rows if recorded else {})
    for index, frame in enumerate(frames):
        late_ns = round(shown_late_ms(index) * 1e6)
        shown = sum(
            row["applied"]["dx_counts"]
            for row in rows.values()
            if row["sent_ns"] <= frame.captured_ns - late_ns
        )
        angle = np.radians(bearing_deg - shown * settings.view.yaw_deg_per_count)
        centre = 320 + 320 * np.tan(angle)
        assert view.offset_counts((centre, 240.0))[0] * settings.view.yaw_deg_per_count == pytest.approx(
            np.degrees(angle)
        )
        numbers += identifier.identify(frame, make_detections([[centre - 10, 220, centre + 10, 260]]))
    return numbers


def test_a_recorded_turn_of_the_view_changes_no_number() -> None:
    assert set(numbers_in_turn(recorded=True)) == {1}


def test_without_recorded_counts_the_same_turn_does() -> None:
    assert set(numbers_in_turn(recorded=False)) != {1}


@pytest.mark.parametrize("pattern", [(0, 0), (40, 40), (0, 40), (45, 5)])
def test_a_picture_that_shows_a_turn_early_or_late_changes_no_number(pattern: tuple[float, float]) -> None:
    assert max(pattern) <= 20 + REDRAW_NS / MS
    assert set(numbers_in_turn(True, lambda index: pattern[index % 2])) == {1}


def test_every_box_gets_a_number_also_what_would_never_be_aimed_at() -> None:
    settings = aim_settings()
    strict = settings.model_copy(
        update={"selector": settings.selector.model_copy(update={"min_confidence": 0.9, "fov_radius_deg": 1})}
    )
    boxes = make_detections([[0, 0, 20, 20], [600, 400, 640, 480], [300, 200, 300, 240]], confidence=0.3)
    assert Identifier(strict, NAMES, {}).identify(make_frame(0, 0), boxes) == [1, 2, 3]


def test_frames_of_the_same_instant_keep_the_numbers() -> None:
    identifier = Identifier(aim_settings(), NAMES, {})
    boxes = make_detections([[100, 100, 140, 140], [300, 100, 340, 140]])
    first = identifier.identify(make_frame(0, 5 * MS), boxes)
    assert identifier.identify(make_frame(1, 5 * MS), boxes.select(np.array([1, 0]))) == first[::-1]


def test_the_ledger_lists_what_a_picture_between_two_times_may_show() -> None:
    ledger = CountLedger()
    for time_ns, dx in ((10, 1), (20, 2), (30, 4)):
        ledger.add(time_ns, dx, 0)
    expected: list[XY] = [(1, 0), (3, 0)]
    assert ledger.totals_between(15, 29)[1] == expected
    assert ledger.totals_between(0, 5) == ([0], [(0, 0)])


def test_neighbouring_numbers_have_colours_that_can_be_told_apart() -> None:
    for number in range(1, 30):
        one, following = np.array(choose_colour(number)), np.array(choose_colour(number + 1))
        assert np.abs(one - following).sum() > 90
