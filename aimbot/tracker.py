"""Tracks in the world frame: bearings that stay put while the view turns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from aimbot.target import XY, Box


class TrackerSettings(BaseModel):
    """Association and smoothing of tracks; all thresholds in seconds and degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate_deg: float = Field(3.0, gt=0, description="association gate beyond half the box's width")
    smoothing_s: float = Field(0.03, ge=0, description="time constant of the position filter")
    velocity_smoothing_s: float = Field(0.15, gt=0, description="time constant of the velocity filter")
    coast_s: float = Field(0.15, ge=0, description="a track unseen for longer is dropped")


@dataclass(frozen=True, slots=True)
class Observation:
    """One detection in the world frame; `gate_counts` is how far its track may be."""

    class_id: int
    confidence: float
    box_xyxy_px: Box
    aim_xy_px: XY
    bearing_counts: XY
    centre_counts: XY
    half_size_counts: XY
    gate_counts: float


@dataclass(slots=True)
class Track:
    """A target followed over frames."""

    track_id: int
    seen: Observation
    bearing_counts: XY
    velocity_counts_per_s: XY
    born_ns: int
    seen_ns: int

    def bearing_at(self, time_ns: int) -> XY:
        """The bearing extrapolated at constant velocity."""
        dt_s = (time_ns - self.seen_ns) / 1e9
        return (
            self.bearing_counts[0] + self.velocity_counts_per_s[0] * dt_s,
            self.bearing_counts[1] + self.velocity_counts_per_s[1] * dt_s,
        )


class Tracker:
    """Greedy nearest-bearing association with a constant-velocity filter per track."""

    def __init__(self, settings: TrackerSettings) -> None:
        self.settings = settings
        self.tracks: list[Track] = []
        self._next_id = 1

    def update(self, observations: Sequence[Observation], captured_ns: int) -> list[Track]:
        """Match the observations of one frame to tracks; returns the live tracks, oldest first."""
        pairs = []
        for track in self.tracks:
            x, y = track.bearing_at(captured_ns)
            for index, seen in enumerate(observations):
                distance = math.hypot(seen.bearing_counts[0] - x, seen.bearing_counts[1] - y)
                if seen.class_id == track.seen.class_id and distance <= seen.gate_counts:
                    pairs.append((distance, track.track_id, index, track))
        matched_tracks: set[int] = set()
        matched: set[int] = set()
        for _, track_id, index, track in sorted(pairs, key=lambda pair: pair[:3]):
            if track_id in matched_tracks or index in matched:
                continue
            matched_tracks.add(track_id)
            matched.add(index)
            self._correct(track, observations[index], captured_ns)
        for index, seen in enumerate(observations):
            if index not in matched:
                self._start(seen, captured_ns)
        oldest_ns = captured_ns - round(self.settings.coast_s * 1e9)
        self.tracks = [track for track in self.tracks if track.seen_ns >= oldest_ns]
        return self.tracks

    def reset(self) -> None:
        """Forget every track; identities are never used again."""
        self.tracks = []

    def _start(self, seen: Observation, captured_ns: int) -> None:
        self.tracks.append(
            Track(self._next_id, seen, seen.bearing_counts, (0.0, 0.0), captured_ns, captured_ns)
        )
        self._next_id += 1

    def _correct(self, track: Track, seen: Observation, captured_ns: int) -> None:
        dt_s = (captured_ns - track.seen_ns) / 1e9
        if dt_s <= 0:  # the same instant again: nothing to learn of its motion
            track.seen = seen
            return
        alpha = 1 - math.exp(-dt_s / self.settings.smoothing_s) if self.settings.smoothing_s else 1.0
        beta = alpha * (1 - math.exp(-dt_s / self.settings.velocity_smoothing_s))
        predicted = track.bearing_at(captured_ns)
        residual = [z - p for z, p in zip(seen.bearing_counts, predicted, strict=True)]
        track.bearing_counts = (predicted[0] + alpha * residual[0], predicted[1] + alpha * residual[1])
        track.velocity_counts_per_s = (
            track.velocity_counts_per_s[0] + beta * residual[0] / dt_s,
            track.velocity_counts_per_s[1] + beta * residual[1] / dt_s,
        )
        track.seen, track.seen_ns = seen, captured_ns
