"""Tracks in the world frame: bearings that stay put while the view turns."""

from collections.abc import Sequence
from dataclasses import dataclass

import lap
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from aimbot.kalman import Floats, Motions, start_motions
from aimbot.target import XY, Box

RESTING = 6.0  # a speed whose square is so many variances counts half
SURPRISE = 9.0  # squared deviations, of both axes together: met by chance once in ninety measurements
MOST_COST = 2.0  # at the edge of the gate without overlap
FORBIDDEN = 1e6
WHOLE_SHARE = 0.25  # of the area it had: with less in view a target is hidden, or has fallen
SHRUNK_S = 0.5  # after so long a smaller size is its size
LEAST_HALF = 1e-6


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

    @property
    def area_px2(self) -> float:
        """Of the box."""
        left, top, right, bottom = self.box_xyxy_px
        return (right - left) * (bottom - top)


@dataclass(slots=True)
class Track:
    """A target followed over frames.

    bearing_counts: at `seen_ns`. velocity_counts_per_s: its own motion, as far as it can be told from rest;
    speed_sigma_counts_per_s: the deviation of that. sure: the highest confidence that it was seen with.
    whole_px2: the area of its box when that was last the whole of it, at `whole_ns`.
    """

    track_id: int
    seen: Observation
    born_ns: int
    seen_ns: int
    sure: float
    bearing_counts: XY
    velocity_counts_per_s: XY
    speed_sigma_counts_per_s: XY
    whole_px2: float
    whole_ns: int

    def see(self, seen: Observation, time_ns: int) -> None:
        """Take in how it looks now; of a box that shrinks at once, a part of the target is left to see."""
        self.seen, self.sure = seen, max(self.sure, seen.confidence)
        is_settled = time_ns - self.whole_ns >= SHRUNK_S * 1e9
        if seen.area_px2 >= WHOLE_SHARE * self.whole_px2 or is_settled:
            self.whole_px2, self.whole_ns = seen.area_px2, time_ns

    def bearing_at(self, time_ns: int) -> XY:
        """The bearing extrapolated at constant velocity."""
        dt_s = (time_ns - self.seen_ns) / 1e9
        x, y = self.bearing_counts
        vx, vy = self.velocity_counts_per_s
        return x + vx * dt_s, y + vy * dt_s


class Tracker:
    """Optimal association (Jonker and Volgenant) by bearing and overlap, with a Kalman filter per track."""

    def __init__(self, settings: TrackerSettings, counts_per_deg: XY) -> None:
        """`counts_per_deg`: of yaw and of pitch; 0 where the game has no vertical look."""
        self.settings = settings
        self._agility = settings.agility_deg_per_s * np.array(counts_per_deg)
        self._var_speed = (settings.start_speed_deg_per_s * np.array(counts_per_deg)) ** 2
        self._next_id = 1
        self.reset()

    def reset(self) -> None:
        """Forget every track; identities are never used again."""
        self.tracks: list[Track] = []
        self._motions = start_motions(np.empty((0, 2)), np.empty((0, 2)), self._var_speed)

    def update(self, observations: Sequence[Observation], captured_ns: int) -> list[Track]:
        """Match the observations of one frame to tracks; returns the live tracks, oldest first."""
        matched = match_tracks(self.tracks, observations, captured_ns)
        self._correct(matched, observations, captured_ns)
        oldest_ns = captured_ns - round(self.settings.coast_s * 1e9)
        alive = [index for index, track in enumerate(self.tracks) if track.seen_ns >= oldest_ns]
        if len(alive) < len(self.tracks):
            self.tracks = [self.tracks[index] for index in alive]
            self._motions = self._motions.take(np.array(alive, int))
        taken = {index for _, index in matched}
        self._start([seen for index, seen in enumerate(observations) if index not in taken], captured_ns)
        return self.tracks

    def _start(self, seen: Sequence[Observation], captured_ns: int) -> None:
        if not seen:
            return
        bearings, variances = list_measurements(seen)
        self._motions = self._motions.join(start_motions(bearings, variances, self._var_speed))
        first = len(self.tracks)
        for one in seen:
            self.tracks.append(start_track(self._next_id, one, captured_ns))
            self._next_id += 1
        self._describe(range(first, len(self.tracks)))

    def _correct(
        self, matched: Sequence[tuple[int, int]], observations: Sequence[Observation], captured_ns: int
    ) -> None:
        for index, number in matched:
            self.tracks[index].see(observations[number], captured_ns)
        # The same instant again teaches nothing of a motion.
        moved = [index for index, _ in matched if self.tracks[index].seen_ns < captured_ns]
        if not moved:
            return
        tracks = [self.tracks[index] for index in moved]
        bearings, variances = list_measurements([track.seen for track in tracks])
        dt_s = np.array([[captured_ns - track.seen_ns] for track in tracks]) / 1e9
        motions = self._motions.take(moved).predict(dt_s, self._agility)
        turned = motions.surprise(bearings, variances) > SURPRISE
        if turned.any():  # their speed is as unknown as when they were first seen
            rows = np.flatnonzero(turned)
            motions.put(rows, motions.take(rows).doubt(self._var_speed, dt_s[rows]))
        self._motions.put(moved, motions.correct(bearings, variances))
        for track in tracks:
            track.seen_ns = captured_ns
        self._describe(moved)

    def _describe(self, indices: Sequence[int]) -> None:
        """Enter what the filters say in the tracks."""
        motions = self._motions.take(indices)
        rows = zip(
            motions.position.tolist(),
            find_speeds(motions).tolist(),
            np.sqrt(motions.var_velocity).tolist(),
            strict=True,
        )
        for index, (position, speed, sigma) in zip(indices, rows, strict=True):
            track = self.tracks[index]
            track.bearing_counts = position[0], position[1]
            track.velocity_counts_per_s = speed[0], speed[1]
            track.speed_sigma_counts_per_s = sigma[0], sigma[1]


def start_track(track_id: int, seen: Observation, captured_ns: int) -> Track:
    """A track seen for the first time; the filter has yet to say where it is."""
    none = (0.0, 0.0)
    return Track(
        track_id=track_id,
        seen=seen,
        born_ns=captured_ns,
        seen_ns=captured_ns,
        sure=seen.confidence,
        bearing_counts=none,
        velocity_counts_per_s=none,
        speed_sigma_counts_per_s=none,
        whole_px2=seen.area_px2,
        whole_ns=captured_ns,
    )


def list_measurements(seen: Sequence[Observation]) -> tuple[Floats, Floats]:
    """Bearings and their variances, (N, 2) both."""
    return np.array([one.bearing_counts for one in seen]), np.array([one.sigma_counts for one in seen]) ** 2


def find_speeds(motions: Motions) -> Floats:
    """The speeds as far as they can be told from rest.

    An estimate of the size of its own deviation counts a tenth, and a smaller one hardly: else the crosshair
    would shake on whatever stands still, by the noise of the speed times the latency.
    """
    speed, doubt = motions.velocity**4, (RESTING * motions.var_velocity) ** 2
    return np.divide(motions.velocity * speed, speed + doubt, out=np.zeros_like(speed), where=speed > 0)


def match_tracks(
    tracks: Sequence[Track], observations: Sequence[Observation], time_ns: int
) -> list[tuple[int, int]]:
    """Indices of tracks and of their observations, so that the sum of the costs is the least."""
    if not tracks or not observations:
        return []
    costs = cost_matches(tracks, observations, time_ns)
    assigned = lap.lapjv(costs, extend_cost=True, cost_limit=MOST_COST)[1].tolist()
    return [(index, number) for index, number in enumerate(assigned) if number >= 0]


def cost_matches(tracks: Sequence[Track], observations: Sequence[Observation], time_ns: int) -> Floats:
    """(tracks, observations): the distance as a share of the gate, and 1 − IoU of the boxes in the world.

    A pair of two classes, or beyond the gate, is forbidden.
    """
    at_x, at_y = np.array([track.bearing_at(time_ns) for track in tracks]).T[:, :, None]
    x, y = np.array([one.bearing_counts for one in observations]).T
    gates = np.array([one.gate_counts for one in observations])
    # Each box lies about its aim point alike, so the boxes' shift is that of the bearings.
    shift_x, shift_y = np.abs(at_x - x), np.abs(at_y - y)
    # Without vertical look all heights are 0; the overlap is then that of the widths.
    old_x, old_y = np.array([track.seen.half_size_counts for track in tracks]).T[:, :, None] + LEAST_HALF
    new_x, new_y = np.array([one.half_size_counts for one in observations]).T + LEAST_HALF
    shared = measure_overlap(old_x, new_x, shift_x) * measure_overlap(old_y, new_y, shift_y)
    distance = np.hypot(shift_x, shift_y)
    costs: Floats = distance / gates + 1 - shared / (4 * (old_x * old_y + new_x * new_y) - shared)
    old_class = np.array([track.seen.class_id for track in tracks])[:, None]
    costs[(distance > gates) | (old_class != [one.class_id for one in observations])] = FORBIDDEN
    return costs


def measure_overlap(half: Floats, other_half: Floats, shift: Floats) -> Floats:
    """How much of two intervals is shared, from half their lengths and the shift of their middles."""
    both: Floats = np.minimum(half + other_half - shift, 2 * np.minimum(half, other_half))
    return both.clip(min=0.0)
