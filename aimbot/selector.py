"""Choose one target: the nearest to the crosshair, and stay with it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from aimbot.ledger import CountLedger
from aimbot.target import XY, Target
from aimbot.tracker import Observation, Track, Tracker, TrackerSettings
from aimbot.view import View
from capture.frame import Frame
from detection.detections import Detections


class SelectorSettings(BaseModel):
    """What may be a target, where in its box to aim, and when to leave it for another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fov_radius_deg: float = Field(30.0, gt=0, description="targets further from the crosshair are ignored")
    classes: tuple[str, ...] = Field((), description="class names that may be targets; empty: all")
    min_confidence: float = Field(0.35, ge=0, le=1)
    aim_point: XY = Field((0.5, 0.4), description="in the box, from its left and top, 0 to 1")
    aim_points: dict[str, XY] = Field(default_factory=dict, description="aim point by class name")
    switch_margin_deg: float = Field(4.0, ge=0, description="another must be nearer by this to take the lock")
    confirm_s: float = Field(0.0, ge=0, description="a track must be this old before it is chosen")


class Selector:
    """Tracks the detections in the world frame and locks one of them."""

    def __init__(self, settings: SelectorSettings, tracker: TrackerSettings, names: Sequence[str]) -> None:
        """`names`: the detector's class names, by class id."""
        self.settings = settings
        self.tracker = Tracker(tracker)
        self._names = tuple(names)
        self._locked_id: int | None = None

    def reset(self) -> None:
        """Forget the lock and the tracks."""
        self._locked_id = None
        self.tracker.reset()

    def select(
        self, frame: Frame, detections: Detections, view: View, ledger: CountLedger, shown_ns: int
    ) -> Target | None:
        """The target to aim at, or None.

        shown_ns: the time up to which sent counts are visible in this frame (captured − display latency).
        """
        shown = ledger.total_at(shown_ns)
        gate_deg = self.tracker.settings.gate_deg
        seen = observe_boxes(detections, self._names, self.settings, gate_deg, view, shown)
        wanted = [one for one in seen if self._may_be_target(one, view, shown)]
        tracks = self.tracker.update(wanted, frame.captured_ns)
        chosen = self._choose(tracks, view, ledger.total, frame.captured_ns)
        self._locked_id = chosen.track_id if chosen else None
        return self._describe(chosen, frame.captured_ns) if chosen else None

    def _may_be_target(self, seen: Observation, view: View, shown: XY) -> bool:
        left, top, right, bottom = seen.box_xyxy_px
        if seen.confidence < self.settings.min_confidence or right <= left or bottom <= top:
            return False
        if self.settings.classes and self._names[seen.class_id] not in self.settings.classes:
            return False
        offset = (seen.bearing_counts[0] - shown[0], seen.bearing_counts[1] - shown[1])
        return view.counts_to_deg(offset) <= self.settings.fov_radius_deg

    def _choose(
        self, tracks: Sequence[Track], view: View, sent: tuple[int, int], now_ns: int
    ) -> Track | None:
        def angle_deg(track: Track) -> float:
            x, y = track.bearing_at(now_ns)
            return view.counts_to_deg((x - sent[0], y - sent[1]))

        confirm_ns = round(self.settings.confirm_s * 1e9)
        ready = [t for t in tracks if now_ns - t.born_ns >= confirm_ns]
        if not ready:
            return None
        nearest = min(ready, key=lambda track: (angle_deg(track), track.track_id))
        locked = next((t for t in ready if t.track_id == self._locked_id), None)
        if locked and angle_deg(nearest) > angle_deg(locked) - self.settings.switch_margin_deg:
            return locked
        return nearest

    @staticmethod
    def _describe(track: Track, now_ns: int) -> Target:
        return Target(
            track_id=track.track_id,
            class_id=track.seen.class_id,
            box_xyxy_px=track.seen.box_xyxy_px,
            aim_xy_px=track.seen.aim_xy_px,
            bearing_counts=track.bearing_at(now_ns),
            centre_counts=track.seen.centre_counts,
            half_size_counts=track.seen.half_size_counts,
            velocity_counts_per_s=track.velocity_counts_per_s,
            age_ns=now_ns - track.seen_ns,
        )


def observe_boxes(
    detections: Detections,
    names: Sequence[str],
    settings: SelectorSettings,
    gate_deg: float,
    view: View,
    shown: XY,
) -> list[Observation]:
    """Each detection in the world frame, in their order; `shown`: total counts that the frame shows."""
    observations = []
    rows = zip(
        detections.xyxy_px.tolist(), detections.confidence.tolist(), detections.class_id.tolist(), strict=True
    )
    for (left, top, right, bottom), confidence, class_id in rows:
        fx, fy = settings.aim_points.get(names[class_id], settings.aim_point)
        aim = (left + fx * (right - left), top + fy * (bottom - top))
        x, y = view.offset_counts(aim)
        x0, y0 = view.offset_counts((left, top))
        x1, y1 = view.offset_counts((right, bottom))
        half = ((x1 - x0) / 2, (y1 - y0) / 2)
        centre = ((x0 + x1) / 2 + shown[0], (y0 + y1) / 2 + shown[1])
        gate = half[0] + view.deg_to_yaw_counts(gate_deg)
        bearing = (x + shown[0], y + shown[1])
        box = (left, top, right, bottom)
        observations.append(Observation(class_id, confidence, box, aim, bearing, centre, half, gate))
    return observations
