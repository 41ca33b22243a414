"""The loop, its rows, and the replay that has to decide alike."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from aim_helpers import (
    MS,
    LoggingPointer,
    ScriptedDetector,
    SetClock,
    aim_settings,
    doom_view,
    make_detections,
    make_frame,
)

from aimbot.aimer import Aimer, AimSettings
from aimbot.governor import Governor
from aimbot.loop import AimLoop, Change, Step
from aimbot.replaying import RecordedDetector, Replayer, compare_step
from aimbot.rows import decode_detections, encode_step
from aimbot.safety import Gates, Refusal, SafetyEnvelope, SafetySettings
from aimbot.telemetry import Stamps, Telemetry, percentiles
from capture.frame import Frame


class Rig:
    """A loop over a scripted detector, with everything at hand."""

    def __init__(self, settings: AimSettings | None = None, budget_ms: float = 50) -> None:
        self.clock, self.pointer, self.detector = SetClock(), LoggingPointer(), ScriptedDetector()
        self.telemetry = Telemetry()
        self.gates = Gates(True, True)
        self.envelope = SafetyEnvelope(
            self.pointer, SafetySettings(), budget_ms, self.clock, lambda: self.gates
        )
        self.settings = settings or aim_settings(smoothing_s=0.02)
        self.aimer = Aimer(self.settings, self.detector.class_names)
        self.loop = AimLoop(self.detector, self.aimer, self.envelope, self.telemetry, self.clock)

    def step(self, index: int, age_ms: float = 10, x_px: float | None = 400) -> Step:
        captured_ns = (100 + 16 * index) * MS
        self.clock.now_ns = captured_ns + round(age_ms * MS)
        boxes = [] if x_px is None else [[x_px - 20, 200, x_px + 20, 280]]
        self.detector.answer = make_detections(boxes)
        return self.loop.step(make_frame(index, captured_ns))


def test_a_stale_frame_moves_nothing_and_is_counted_late() -> None:
    rig = Rig()
    step = rig.step(1, age_ms=51)
    assert step.applied.refusal is Refusal.STALE
    assert rig.pointer.events == []
    assert rig.telemetry.counts["late"] == 1


def test_the_age_at_the_move_is_that_of_the_pixels() -> None:
    rig = Rig()
    assert rig.step(0, age_ms=17).stamps.durations_ms()["age"] == 17


def test_refused_counts_are_not_taken_for_sent() -> None:
    rig = Rig()
    rig.gates = Gates(False, True)
    for index in range(5):
        rig.step(index)
    assert rig.aimer.ledger.total == (0, 0)


def test_a_picture_that_is_the_same_array_is_not_detected_again() -> None:
    rig = Rig()
    frame = make_frame(0, 0)
    rig.loop.step(frame)
    rig.loop.step(Frame(frame.pixels, 16 * MS, 1, frame.region))
    assert rig.detector.calls == 1
    rig.loop.step(make_frame(2, 32 * MS))
    assert rig.detector.calls == 2


def test_the_governor_is_told_the_age_of_what_was_looked_at_and_of_nothing_else() -> None:
    rig = Rig()
    governor = Governor(3, target_ms=15)
    loop = AimLoop(rig.detector, rig.aimer, rig.envelope, rig.telemetry, rig.clock, governor=governor)
    frame = make_frame(0, 0)
    levels = []
    for index in range(20):
        rig.clock.now_ns = index * 20 * MS + 16 * MS
        levels.append(loop.step(Frame(frame.pixels, index * 20 * MS, index, frame.region)).level)
    assert levels == [0] + [None] * 19  # one picture, late once
    for index in range(20, 40):
        rig.clock.now_ns = index * 20 * MS + 16 * MS
        levels.append(loop.step(make_frame(index, index * 20 * MS)).level)
    assert levels[20] == 0
    assert levels[-1] == 2
    loop.change(Change(rig.settings, SafetySettings(), 50, target_ms=17))
    for index in range(40, 300):
        rig.clock.now_ns = index * 20 * MS + 16 * MS
        levels.append(loop.step(make_frame(index, index * 20 * MS)).level)
    assert levels[-1] == 0


def test_new_settings_take_hold_at_the_next_frame() -> None:
    rig = Rig()
    rig.step(0)
    rig.loop.change(Change(rig.settings, SafetySettings(max_counts_per_move=1), 50))
    rig.step(1)
    step = rig.step(2)
    assert step.applied.refusal is Refusal.CAP_PER_MOVE
    assert abs(step.applied.dx_counts) <= 1


def test_after_a_press_that_was_not_begun_for_a_clipped_move_the_trigger_looks_again() -> None:
    rig = Rig(
        AimSettings.model_validate(
            {"view": doom_view(), "trigger": {"enabled": True}, "controller": {"smoothing_s": 0}}
        )
    )
    rig.loop.change(Change(rig.settings, SafetySettings(max_counts_per_move=5), 50))
    first = rig.step(0)
    assert first.command.fire
    assert (first.applied.fire, first.applied.refusal) == (False, Refusal.CAP_PER_MOVE)
    rig.clock.now_ns = 126 * MS
    rig.detector.answer = make_detections([[380, 200, 420, 280]], confidence=0.3)  # no longer clearly one
    second = rig.loop.step(make_frame(1, 116 * MS))
    assert second.target is not None
    assert not second.command.fire


class Mail:
    """A mailbox that hands out a list, with a gap in the middle."""

    def __init__(self, frames: list[Frame | None]) -> None:
        self._frames: Iterator[Frame | None] = iter(frames)
        self.ended = False

    def take(self, timeout_s: float) -> Frame | None:
        try:
            return next(self._frames)
        except StopIteration:
            self.ended = True
            return None


def test_the_loop_runs_until_the_source_ends_and_lets_go_of_the_button_in_a_gap() -> None:
    rig = Rig(AimSettings.model_validate({"trigger": {"enabled": True}, "controller": {"dead_zone_deg": 30}}))
    rig.clock.now_ns = 100 * MS
    rig.detector.answer = make_detections([[300, 200, 340, 280]])
    seen: list[Step] = []
    frames = [make_frame(index, (95 + index) * MS) for index in range(3)]
    rig.loop.run(Mail([frames[0], None, *frames[1:]]), lambda: False, seen.append)
    assert [step.frame.frame_id for step in seen] == [0, 1, 2]
    assert rig.pointer.events == [("press",), ("release",)]  # and the interval is waited for
    assert seen[1].applied.refusal is Refusal.LET_GO


def test_the_loop_stops_when_it_is_told() -> None:
    rig = Rig()
    rig.loop.run(Mail([make_frame(0, 0)]), lambda: True, lambda _step: pytest.fail("ran on"))


def record_rows(rig: Rig) -> tuple[list[Frame], list[dict[str, object]]]:
    frames, rows = [], []
    for index in range(40):
        if index == 20:
            rig.gates = Gates(False, True)
        if index == 25:
            rig.gates = Gates(True, True)
        step = rig.step(
            index, age_ms=60 if index == 30 else 10, x_px=None if index in (8, 9) else 420 - 3 * index
        )
        frames.append(step.frame)
        row = {"frame_id": index, **encode_step(step)}
        rows.append(json.loads(json.dumps(row)))  # through JSON, as on disk
    return frames, rows


def test_a_replay_of_recorded_rows_decides_exactly_alike() -> None:
    rig = Rig()
    frames, rows = record_rows(rig)
    detector = RecordedDetector({int(str(row["frame_id"])): row for row in rows}, rig.detector.class_names)
    replayer = Replayer(detector, rig.settings, SafetySettings(), 50)
    differences = [
        difference
        for frame, row in zip(frames, rows, strict=True)
        for difference in compare_step(replayer.step(frame, row), row)
    ]
    assert differences == []
    assert replayer.telemetry.counts["late"] == 1
    assert any(row["command"] != {"dx_counts": 0, "dy_counts": 0, "fire": False} for row in rows)


def test_a_replay_with_other_settings_shows_where_it_differs() -> None:
    rig = Rig()
    frames, rows = record_rows(rig)
    detector = RecordedDetector({int(str(row["frame_id"])): row for row in rows}, rig.detector.class_names)
    replayer = Replayer(detector, aim_settings(smoothing_s=0.2), SafetySettings(), 50)
    found = [d for f, r in zip(frames, rows, strict=True) for d in compare_step(replayer.step(f, r), r)]
    assert {difference["stage"] for difference in found} == {"command"}
    assert {"frame_id", "stage", "expected", "got"} == set(found[0])


def test_detections_survive_json_bit_for_bit() -> None:
    rig = Rig()
    step = rig.step(0, x_px=123.456)
    again = decode_detections(json.loads(json.dumps(encode_step(step)))["detections"])
    assert np.array_equal(again.xyxy_px, step.detections.xyxy_px)
    assert np.array_equal(again.confidence, step.detections.confidence)
    assert again.class_id.dtype == np.int32


def test_telemetry_counts_and_takes_percentiles() -> None:
    telemetry = Telemetry()
    for index in range(11):
        t = index * 20 * MS
        stamps = Stamps(t, t + MS, t + 11 * MS, t + 11 * MS, t + 11 * MS, t + 12 * MS)
        telemetry.add(stamps, late=index == 3, target=True, moved=False)
    summary = telemetry.summary()
    assert summary["loop_fps"] == pytest.approx(50)
    assert summary["age_at_move_ms"] == {"p50": 12.0, "p95": 12.0, "p99": 12.0}
    assert summary["stages_ms"]["detect"]["p50"] == 10
    assert (summary["frames"], summary["late"], summary["targets"], summary["moves"]) == (11, 1, 11, 0)
    assert telemetry.recent()["fps"] == pytest.approx(50)


def test_telemetry_tells_for_how_long_each_level_was_used_and_when_it_changed() -> None:
    telemetry = Telemetry()
    for index, level in enumerate([0, 0, 2, 2, 2, 0]):
        t = index * 500 * MS
        telemetry.add(Stamps(t, t, t, t, t, t), late=False, target=False, moved=False, level=level)
    assert telemetry.levels() == [
        {"level": 0, "frames": 3, "seconds": 1.0},
        {"level": 2, "frames": 3, "seconds": 1.5},
    ]
    assert list(telemetry.level_changes) == [(1000 * MS, 2), (2500 * MS, 0)]
    assert telemetry.level == 0


def test_telemetry_takes_percentiles_over_the_latest_frames_that_it_keeps() -> None:
    telemetry = Telemetry(kept=4)
    for index in range(10):
        t = index * 20 * MS
        stamps = Stamps(t, t, t + index * MS, t + index * MS, t + index * MS, t + index * MS)
        telemetry.add(stamps, late=False, target=False, moved=False)
    assert telemetry.summary()["stages_ms"]["detect"]["p50"] == 7.5  # of 6, 7, 8 and 9
    assert telemetry.summary()["frames"] == 10
    assert telemetry.recent(2)["detect_ms"] == 8.5
    assert telemetry.recent()["fps"] == pytest.approx(1000 / 21)


def test_percentiles_of_nothing_are_empty() -> None:
    assert percentiles([]) == {}
    assert Telemetry().fps == 0.0
