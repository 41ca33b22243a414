"""What a recorded session shows of its game, its detector and its targets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimbot.ledger import CountLedger
from aimbot.observation import Observation
from aimbot.observing import measure_offsets
from aimbot.rows import decode_detections, decode_moves
from aimbot.tracker import Tracker, TrackerSettings
from aimbot.view import View, ViewSettings
from capture.errors import UserError

LEAST_DETECT_MS = 0.05  # less is a picture that was there before, with its detections
LOST_S = 0.3  # a target that is unseen for longer is gone, and was not missed
PIECE_S = 0.5  # a speed is that of a line through so much of a track
LEAST_SIGHTINGS = 6  # of such a piece
STEADY_DEG = 1.0  # a view that turned by more tells more of the latency than of the detector
LEAST_PICTURES = 60
FAST_PERCENTILE = 90
SIGMAS_A_MAD = 1.4826
IQR_A_WIDTH = 2 - 2**0.5  # interquartile range of a difference of two even spreads, over the width of one


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What tuning needs to know.

    frame_hz, jitter_ms: of new pictures; the jitter is the width of an even spread. detector_ms: from the
    frame taken to the mouse moved. missed_share: of the sightings between the first and the last of a
    target, while it was in the picture. false_share: pictures with a box that was seen this once.
    noise_factor: the noise of the boxes over that which the tracker's settings assume. speed_deg_per_s:
    nine tenths of the targets are slower.
    """

    pictures: int
    targets: int
    frame_hz: float
    jitter_ms: float
    detector_ms: float
    missed_share: float
    false_share: float
    noise_factor: float
    speed_deg_per_s: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """One target in one picture: its yaw in the world, how well a box tells it, and the view's own yaw."""

    at_s: float
    yaw_deg: float
    sigma_deg: float
    view_deg: float


@dataclass(frozen=True, slots=True)
class Followed:
    """The sightings by track, and in how many pictures each of the tracks was missed."""

    sightings: dict[int, list[Sighting]]
    missed: dict[int, int]


def find_facts(
    rows: Sequence[Mapping[str, Any]],
    view: ViewSettings,
    tracker: TrackerSettings,
    classes: int,
    min_confidence: float,
) -> SessionFacts:
    """The facts of a session's rows; `view` is that of the game which they were recorded in.

    UserError for rows without detections, and where no target is followed for long enough.
    """
    if not all(name in row for row in rows for name in ("detections", "applied", "sent_ns", "stage_ms")):
        raise UserError(
            "expected a session with detections and moves in its rows, got one of pictures alone; "
            "record it with run --record"
        )
    fresh = [row for row in rows if row["stage_ms"]["detect"] >= LEAST_DETECT_MS]
    if len(fresh) < LEAST_PICTURES:
        raise UserError(f"expected a session of {LEAST_PICTURES} new pictures or more, got {len(fresh)}")
    followed = follow_targets(rows, view, tracker, classes, min_confidence)
    tracks = [track for track in followed.sightings.values() if len(track) >= LEAST_SIGHTINGS]
    speeds = [abs(speed) for track in tracks for speed in measure_speeds(track)]
    residuals = np.array([value for track in tracks for value in find_residuals(track)])
    if not speeds or not len(residuals):
        raise UserError(
            f"expected a session in which a target is in sight for {PIECE_S} s, got {len(fresh)} pictures "
            f"with {len(tracks)} targets, none for so long; record a longer one"
        )
    period_ms, jitter_ms = measure_period(rows)
    stages = [row["stage_ms"] for row in fresh]
    missed = sum(followed.missed[key] for key, track in followed.sightings.items() if len(track) > 1)
    seen = sum(len(track) for track in followed.sightings.values() if len(track) > 1)
    return SessionFacts(
        pictures=len(fresh),
        targets=len(tracks),
        frame_hz=1e3 / period_ms,
        jitter_ms=jitter_ms,
        detector_ms=float(np.median([stage["age"] - stage["wait"] for stage in stages])),
        missed_share=missed / (seen + missed),
        false_share=sum(len(track) == 1 for track in followed.sightings.values()) / len(fresh),
        noise_factor=SIGMAS_A_MAD * float(np.median(np.abs(residuals))),
        speed_deg_per_s=float(np.percentile(speeds, FAST_PERCENTILE)),
    )


def measure_period(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Milliseconds from picture to picture, and the width of their even spread.

    Frame numbers count all pictures, also those that the loop had no time for; pictures that were there
    before have no time of their own.
    """
    gaps, steps = [], []
    for before, after in pairwise(rows):
        if min(row["stage_ms"]["detect"] for row in (before, after)) >= LEAST_DETECT_MS:
            gaps.append((after["captured_ns"] - before["captured_ns"]) / 1e6)
            steps.append(after["frame_id"] - before["frame_id"])
    period = float(np.median(np.divide(gaps, steps)))
    low, high = np.percentile(np.subtract(gaps, np.multiply(steps, period)), (25, 75))
    return period, float(high - low) / IQR_A_WIDTH


def follow_targets(
    rows: Sequence[Mapping[str, Any]],
    view: ViewSettings,
    settings: TrackerSettings,
    classes: int,
    min_confidence: float,
) -> Followed:
    """Track the recorded boxes in the world frame, by the counts that were applied at the time."""
    tracker = Tracker(settings.model_copy(update={"coast_s": LOST_S}), view.counts_per_deg)
    ledger = CountLedger()
    followed, unseen = Followed({}, {}), dict[int, int]()
    for row in rows:
        captured_ns = row["captured_ns"]
        for move in decode_moves(row, "moves"):
            ledger.add(move.time_ns, move.dx_counts, move.dy_counts)
        if row["stage_ms"]["detect"] >= LEAST_DETECT_MS:
            shown = ledger.total_at(captured_ns - view.shown_after_ns)
            width, height = row["region"][2:]
            here = View(view, (width, height))
            edge = here.offset_counts((width, height / 2))[0]
            found = decode_detections(row["detections"])
            found = found.select(found.confidence >= min_confidence)
            seen = measure_offsets(found, np.full((classes, 2), 0.5), settings, here).place(shown)
            for track in tracker.update(seen, captured_ns):
                key = track.track_id
                if track.seen_ns == captured_ns:
                    sighting = describe_sighting(track.seen, captured_ns, shown[0], view)
                    followed.sightings.setdefault(key, []).append(sighting)
                    followed.missed[key] = followed.missed.get(key, 0) + unseen.pop(key, 0)
                else:
                    away = abs(track.bearing_at(captured_ns)[0] - shown[0])
                    unseen[key] = unseen.get(key, 0) + (away < edge)
        ledger.add(row["sent_ns"], row["applied"]["dx_counts"], row["applied"]["dy_counts"])
    return followed


def describe_sighting(seen: Observation, captured_ns: int, shown: float, view: ViewSettings) -> Sighting:
    """An observation in degrees."""
    yaw = view.yaw_deg_per_count
    return Sighting(captured_ns / 1e9, seen.bearing_counts[0] * yaw, seen.sigma_counts[0] * yaw, shown * yaw)


def measure_speeds(track: Sequence[Sighting]) -> Iterator[float]:
    """Degrees a second of the track's pieces, each by a straight line (least squares)."""
    times, yaws = np.array([(one.at_s, one.yaw_deg) for one in track]).T
    pieces = np.floor((times - times[0]) / PIECE_S)
    for piece in range(int(pieces[-1]) + 1):
        inside = pieces == piece
        if inside.sum() >= LEAST_SIGHTINGS and np.ptp(times[inside]) >= PIECE_S / 2:
            yield fit_slope(times[inside], yaws[inside])


def fit_slope(times: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """The slope of the least-squares line."""
    centred = times - times.mean()
    return float(centred @ values / (centred @ centred))


def find_residuals(track: Sequence[Sighting]) -> Iterator[float]:
    """How far each sighting lies off the line through its neighbours, in deviations that this should have.

    Three in a row are near enough in time that a target's own motion is straight.
    """
    for before, here, after in zip(track, track[1:], track[2:], strict=False):
        views = [one.view_deg for one in (before, here, after)]
        if max(views) - min(views) > STEADY_DEG:
            continue
        late = (here.at_s - before.at_s) / (after.at_s - before.at_s)
        off = here.yaw_deg - (1 - late) * before.yaw_deg - late * after.yaw_deg
        yield off / float(
            np.hypot(here.sigma_deg, np.hypot((1 - late) * before.sigma_deg, late * after.sigma_deg))
        )
