"""Tracks in the world frame: bearings that stay put while the view turns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aimbot.kalman import AxisFilter
from aimbot.target import XY, Box

RESTING = 3.0  # a speed whose square is so many variances counts half
SURPRISE = 9.0  # squared deviations, of both axes together: met by chance once in ninety measurements
MOST_COST = 2.0  # at the edge of the gate without overlap
FORBIDDEN = 1e6


class TrackerSettings(BaseModel):
    """Association and filter of tracks; all thresholds in seconds and degrees.

    The noise is that of doom-nano's boxes against the truth of 686 validation boxes, as robust deviations:
    0.6 px, and 4 % of the width across or 2 % of the height upright (docs/aim.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate_deg: float = Field(3.0, gt=0, description="association gate beyond half the box's width")
    noise_px: float = Field(0.6, gt=0, description="deviation of a box's centre, whatever its size")
    noise_share_x: float = Field(0.04, ge=0, description="more of it, for each pixel of the box's width")
    noise_share_y: float = Field(0.02, ge=0, description="and of its height")
    agility_deg_per_s: float = Field(
        10.0, ge=0, description="what a target's speed changes by in a second; more follows, less is calm"
    )
    start_speed_deg_per_s: float = Field(15.0, ge=0, description="speeds that a new target may have")
    coast_s: float = Field(0.15, ge=0, description="a track unseen for longer is dropped")


@dataclass(frozen=True, slots=True)
class Observation:
    """One detection in the world frame; `gate_counts` is how far its track may be.

    sigma_counts: the deviation of the bearing: the detector's, and that of the view at the time.
    """

    class_id: int
    confidence: float
    box_xyxy_px: Box
    aim_xy_px: XY
    bearing_counts: XY
    centre_counts: XY
    half_size_counts: XY
    gate_counts: float
    sigma_counts: XY


@dataclass(slots=True)
class Track:
    """A target followed over frames; `sure` is the highest confidence that it was ever seen with."""

    track_id: int
    seen: Observation
    axes: tuple[AxisFilter, AxisFilter]
    born_ns: int
    seen_ns: int
    sure: float

    @property
    def velocity_counts_per_s(self) -> XY:
        """The target's own motion, as far as it can be told from rest.

        An estimate of the size of its own deviation counts a tenth, and a smaller one hardly: else the
        crosshair would shake on whatever stands still, by the noise of the speed times the latency.
        """
        x, y = (
            axis.velocity**5 / (axis.velocity**4 + (RESTING * axis.var_velocity) ** 2)
            if axis.velocity
            else 0.0
            for axis in self.axes
        )
        return x, y

    @property
    def speed_sigma_counts_per_s(self) -> XY:
        """The deviation of the estimated speed."""
        return math.sqrt(self.axes[0].var_velocity), math.sqrt(self.axes[1].var_velocity)

    def bearing_at(self, time_ns: int) -> XY:
        """The bearing extrapolated at constant velocity."""
        dt_s = (time_ns - self.seen_ns) / 1e9
        vx, vy = self.velocity_counts_per_s
        return self.axes[0].position + vx * dt_s, self.axes[1].position + vy * dt_s


class Tracker:
    """Optimal association (Jonker and Volgenant) by bearing and overlap, with a Kalman filter per track."""

    def __init__(self, settings: TrackerSettings, counts_per_deg: XY) -> None:
        """`counts_per_deg`: of yaw and of pitch; 0 where the game has no vertical look."""
        self.settings = settings
        self.tracks: list[Track] = []
        self._agility = tuple(settings.agility_deg_per_s * counts for counts in counts_per_deg)
        self._start_speed = tuple(settings.start_speed_deg_per_s * counts for counts in counts_per_deg)
        self._next_id = 1

    def update(self, observations: Sequence[Observation], captured_ns: int) -> list[Track]:
        """Match the observations of one frame to tracks; returns the live tracks, oldest first."""
        matched = match_tracks(self.tracks, observations, captured_ns)
        for track, index in matched:
            self._correct(track, observations[index], captured_ns)
        taken = {index for _, index in matched}
        oldest_ns = captured_ns - round(self.settings.coast_s * 1e9)
        self.tracks = [track for track in self.tracks if track.seen_ns >= oldest_ns]
        for index, seen in enumerate(observations):
            if index not in taken:
                self.tracks.append(self._start(seen, captured_ns))
        return self.tracks

    def reset(self) -> None:
        """Forget every track; identities are never used again."""
        self.tracks = []

    def _start(self, seen: Observation, captured_ns: int) -> Track:
        x, y = (
            AxisFilter(position, 0.0, sigma * sigma, 0.0, speed * speed)
            for position, sigma, speed in zip(
                seen.bearing_counts, seen.sigma_counts, self._start_speed, strict=True
            )
        )
        self._next_id += 1
        return Track(self._next_id - 1, seen, (x, y), captured_ns, captured_ns, seen.confidence)

    def _correct(self, track: Track, seen: Observation, captured_ns: int) -> None:
        dt_s = (captured_ns - track.seen_ns) / 1e9
        track.sure = max(track.sure, seen.confidence)
        if dt_s <= 0:  # the same instant again: nothing to learn of its motion
            track.seen = seen
            return
        surprise = 0.0
        for axis, agility, measured, sigma in zip(
            track.axes, self._agility, seen.bearing_counts, seen.sigma_counts, strict=True
        ):
            axis.predict(dt_s, agility)
            innovation, variance = axis.innovate(measured, sigma * sigma)
            surprise += innovation * innovation / variance
        for axis, start_speed, measured, sigma in zip(
            track.axes, self._start_speed, seen.bearing_counts, seen.sigma_counts, strict=True
        ):
            if surprise > SURPRISE:  # it turned: its speed is as unknown as when it was first seen
                axis.var_velocity += start_speed * start_speed
                axis.cov += start_speed * start_speed * dt_s
                axis.var_position += start_speed * start_speed * dt_s * dt_s
            axis.correct(measured, sigma * sigma)
        track.seen, track.seen_ns = seen, captured_ns


def match_tracks(
    tracks: Sequence[Track], observations: Sequence[Observation], time_ns: int
) -> list[tuple[Track, int]]:
    """Tracks with the index of their observation, so that the sum of the costs is the least."""
    if not tracks or not observations:
        return []
    costs = cost_matches(tracks, observations, time_ns)
    assigned = lap.lapjv(costs, extend_cost=True, cost_limit=MOST_COST)[1]
    return [(track, int(index)) for track, index in zip(tracks, assigned, strict=True) if index >= 0]


def cost_matches(
    tracks: Sequence[Track], observations: Sequence[Observation], time_ns: int
) -> NDArray[np.float64]:
    """(tracks, observations): the distance as a share of the gate, and 1 − IoU of the boxes in the world.

    A pair of two classes, or beyond the gate, is forbidden.
    """
    at = np.array([track.bearing_at(time_ns) for track in tracks])
    seen = np.array([one.bearing_counts for one in observations])
    gates = np.array([one.gate_counts for one in observations])
    distance = np.hypot(*np.moveaxis(at[:, None] - seen[None], -1, 0))
    # Without vertical look all heights are 0; the overlap is then that of the widths.
    old = np.maximum([track.seen.half_size_counts for track in tracks], 1e-6)[:, None]
    new = np.maximum([one.half_size_counts for one in observations], 1e-6)[None]
    # Each box lies about its aim point alike, so the boxes' shift is that of the bearings.
    shared = np.minimum(old, new) * 2
    shift = np.abs(at[:, None] - seen[None])
    overlap = np.clip(np.minimum(shared, old + new - shift), 0, None).prod(axis=-1)
    union = 4 * (old.prod(axis=-1) + new.prod(axis=-1)) - overlap
    iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    costs: NDArray[np.float64] = distance / gates + 1 - iou
    classes = np.array([track.seen.class_id for track in tracks])[:, None] != np.array(
        [one.class_id for one in observations]
    )
    costs[(distance > gates) | classes] = FORBIDDEN
    return costs
