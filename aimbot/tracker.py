"""Tracks in the world frame: bearings that stay put while the view turns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aimbot.association import Looks, match_rows
from aimbot.kalman import Floats, Motions, start_motions
from aimbot.observation import NONE_SEEN, Observation, Observations
from aimbot.target import XY

RESTING = 6.0  # a speed whose square is so many variances counts half
SURPRISE = 9.0  # squared deviations, of both axes together: met by chance once in ninety measurements
WHOLE_SHARE = 0.2  # of the area it had: with less in view a target is hidden, or has fallen
SETTLED_S = 0.2  # a part seen for so long is a whole one: the track went over to a smaller target


class TrackerSettings(BaseModel):
    """Association and filter of tracks; all thresholds in seconds and degrees.

    The noise is that of doom-nano's boxes against the truth of 686 validation boxes, as robust deviations:
    0.6 px, and 4 % of the width across or 2 % of the height upright (docs/aim.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    gate_deg: float = Field(3.0, gt=0, description="association gate beyond half the box's width")
    noise_px: float = Field(0.6, gt=0, description="deviation of a box's centre, whatever its size")
    noise_share_x: float = Field(0.04, ge=0, description="more of it, for each pixel of the box's width")
    noise_share_y: float = Field(0.02, ge=0, description="and of its height")
    agility_deg_per_s: float = Field(
        10.0, ge=0, description="what a target's speed changes by in a second; more follows, less is calm"
    )
    start_speed_deg_per_s: float = Field(15.0, ge=0, description="speeds that a new target may have")
    coast_s: float = Field(
        0.15, ge=0, description="a track unseen for longer is dropped, so frames must come sooner"
    )


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
        is_settled = time_ns - self.whole_ns >= SETTLED_S * 1e9
        if seen.area_px2 >= WHOLE_SHARE * self.whole_px2 or is_settled:
            self.whole_px2, self.whole_ns = seen.area_px2, time_ns

    def hidden_s(self, time_ns: int) -> float:
        """For how long it has not been seen whole."""
        return (time_ns - self.whole_ns) / 1e9

    def bearing_at(self, time_ns: int) -> XY:
        """The bearing extrapolated at constant velocity."""
        dt_s = (time_ns - self.seen_ns) / 1e9
        x, y = self.bearing_counts
        vx, vy = self.velocity_counts_per_s
        return x + vx * dt_s, y + vy * dt_s

    def centre_at(self, time_ns: int) -> XY:
        """The middle of its box, which moves with its bearing."""
        x, y = self.bearing_at(time_ns)
        seen = self.seen
        return (
            x + seen.centre_counts[0] - seen.bearing_counts[0],
            y + seen.centre_counts[1] - seen.bearing_counts[1],
        )


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
        self._motions, self._looks = self._begin(NONE_SEEN, 0)
        self._ahead: tuple[int, Floats, Motions] | None = None  # see _look_ahead

    def predict(self, time_ns: int) -> tuple[Motions, NDArray[np.int64]]:
        """Where the tracks should be, and their classes, in the order of `tracks`."""
        return self._look_ahead(time_ns)[1], self._looks.class_id

    def _look_ahead(self, time_ns: int) -> tuple[Floats, Motions]:
        """The time since each track was seen, in seconds, twice (N, 2), and where they should be.

        It is asked for more than once a frame, so it is kept until the tracks change.
        """
        if self._ahead is None or self._ahead[0] != time_ns:
            late_s = (time_ns - self._looks.seen_ns).repeat(2).reshape(-1, 2) / 1e9
            self._ahead = time_ns, late_s, self._motions.predict(late_s, self._agility)
        return self._ahead[1:]

    def update(self, seen: Observations, captured_ns: int, least_confidence: float = 0.0) -> list[Track]:
        """Match the observations of one frame to tracks; returns the live tracks, oldest first.

        least_confidence: of what starts a track; any observation continues one.
        """
        self._drop(captured_ns - round(self.settings.coast_s * 1e9))
        matched, numbers = self._match(seen, captured_ns)
        if len(matched):
            self._correct(matched, seen.take(numbers), captured_ns)
        if len(numbers) < len(seen):
            rest = set(range(len(seen))).difference(numbers.tolist())
            sure = [row for row in sorted(rest) if seen.rows[row].confidence >= least_confidence]
            if sure:
                self._start(seen.take(sure), captured_ns)
        return self.tracks

    def _match(self, seen: Observations, time_ns: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of tracks and of their observations, so that the sum of the costs is the least."""
        if not self.tracks or not len(seen):
            return np.empty(0, np.intp), np.empty(0, np.intp)
        at = self._motions.position + self._looks.speed_counts_per_s * self._look_ahead(time_ns)[0]
        return match_rows(at, self._looks, seen)

    def _drop(self, oldest_ns: int) -> None:
        """Forget the tracks that were last seen before this."""
        alive = [row for row, track in enumerate(self.tracks) if track.seen_ns >= oldest_ns]
        if len(alive) < len(self.tracks):
            self.tracks = [self.tracks[row] for row in alive]
            self._motions, self._looks = self._motions.take(alive), self._looks.take(alive)
            self._ahead = None

    def _begin(self, seen: Observations, captured_ns: int) -> tuple[Motions, Looks]:
        """At rest as far as is known."""
        motions = start_motions(seen.bearing_counts, seen.sigma_counts**2, self._var_speed)
        seen_ns = np.full(len(seen), captured_ns, np.int64)
        rest = np.zeros_like(seen.bearing_counts)
        return motions, Looks(seen.class_id, seen_ns, seen.half_size_counts, rest)

    def _start(self, seen: Observations, captured_ns: int) -> None:
        motions, looks = self._begin(seen, captured_ns)
        self._motions, self._looks = self._motions.join(motions), self._looks.join(looks)
        self._ahead = None
        started = [start_track(self._next_id + row, one, captured_ns) for row, one in enumerate(seen.rows)]
        self._next_id += len(started)
        self.tracks += started
        describe_tracks(started, motions, looks)

    def _correct(self, rows: NDArray[np.intp], seen: Observations, captured_ns: int) -> None:
        """Take the observations in, of the tracks in these rows, which ascend."""
        tracks = [self.tracks[row] for row in rows.tolist()]
        for track, one in zip(tracks, seen.rows, strict=True):
            track.see(one, captured_ns)
        # The same instant again teaches nothing of a motion.
        moved = [number for number, track in enumerate(tracks) if track.seen_ns < captured_ns]
        if len(moved) < len(tracks):
            self._looks.half_size_counts[rows] = seen.half_size_counts
            rows, seen, tracks = rows.take(moved), seen.take(moved), [tracks[number] for number in moved]
        if not tracks:
            return
        motions, looks = self._follow(rows, seen, captured_ns)
        if len(rows) == len(self.tracks):
            self._motions, self._looks = motions, looks
        else:
            self._motions.put(rows, motions)
            self._looks.put(rows, looks)
        self._ahead = None
        describe_tracks(tracks, motions, looks)

    def _follow(self, rows: NDArray[np.intp], seen: Observations, captured_ns: int) -> tuple[Motions, Looks]:
        """What the tracks in these rows become."""
        (late_s, motions), before = self._look_ahead(captured_ns), self._looks
        if len(rows) < len(self.tracks):
            late_s, motions, before = late_s[rows], motions.take(rows), before.take(rows)
        variances = seen.sigma_counts**2
        turned = motions.surprise(seen.bearing_counts, variances) > SURPRISE
        if turned.any():  # their speed is as unknown as when they were first seen
            motions = motions.doubt(turned[:, None] * self._var_speed, late_s)
        motions = motions.correct(seen.bearing_counts, variances)
        seen_ns = np.full(len(rows), captured_ns, np.int64)
        looks = Looks(before.class_id, seen_ns, seen.half_size_counts, find_speeds(motions))
        return motions, looks


def find_track(tracks: Iterable[Track], track_id: int | None) -> Track | None:
    """The one with this identity, if it is among them."""
    return next((track for track in tracks if track.track_id == track_id), None)


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


def describe_tracks(tracks: Sequence[Track], motions: Motions, looks: Looks) -> None:
    """Enter what the filters say in the tracks, which are theirs one by one."""
    columns = zip(
        tracks,
        motions.position.tolist(),
        looks.speed_counts_per_s.tolist(),
        np.sqrt(motions.var_velocity).tolist(),
        looks.seen_ns.tolist(),
        strict=True,
    )
    for track, (x, y), (vx, vy), (sigma_x, sigma_y), seen_ns in columns:
        track.bearing_counts = x, y
        track.velocity_counts_per_s = vx, vy
        track.speed_sigma_counts_per_s = sigma_x, sigma_y
        track.seen_ns = seen_ns


def find_speeds(motions: Motions) -> Floats:
    """The speeds as far as they can be told from rest.

    An estimate of the size of its own deviation counts a tenth, and a smaller one hardly: else the crosshair
    would shake on whatever stands still, by the noise of the speed times the latency.
    """
    speed, doubt = motions.velocity**4, (RESTING * motions.var_velocity) ** 2
    return np.divide(motions.velocity * speed, speed + doubt, out=np.zeros(speed.shape), where=speed > 0)
