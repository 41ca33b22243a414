"""Choose one target by a policy, and stay with it."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from aimbot.kalman import Floats
from aimbot.ledger import CountLedger
from aimbot.observation import NONE_SEEN, Observation, Observations
from aimbot.observing import measure_offsets
from aimbot.shot import Shot, ShotSettings
from aimbot.shown import estimate_shown
from aimbot.target import XY, Target
from aimbot.tracker import Track, Tracker, find_track
from aimbot.view import View, ViewSettings
from capture.errors import UserError
from capture.frame import Frame
from detection.detections import Detections

Policy = Literal["nearest", "nearest_centre", "largest", "most_confident"]
Zone = tuple[float, float, float, float]
Rank = tuple[bool, int, float, int]
Share = Annotated[float, Field(ge=0, le=1)]
AimPoint = tuple[Share, Share]


class SelectorSettings(BaseModel):
    """What may be a target, where in its box to aim, and when to leave it for another."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    policy: Policy = Field(
        "nearest", description="nearest aim point, nearest box centre, largest box or highest confidence"
    )
    fov_radius_deg: float = Field(30.0, gt=0, description="targets further from the crosshair are ignored")
    classes: tuple[str, ...] = Field((), description="class names that may be targets; empty: all")
    priority: tuple[str, ...] = Field((), description="class names that go before all others, first first")
    min_confidence: float = Field(
        0.35, ge=0, le=1, description="of a new target; one that is known is followed with less"
    )
    aim_point: AimPoint = Field((0.5, 0.4), description="in the box, from its left and top, 0 to 1")
    aim_points: dict[str, AimPoint] = Field(default_factory=dict, description="aim point by class name")
    exclude: tuple[Zone, ...] = Field(
        (),
        description="left, top, right, bottom, 0 to 1: boxes with their centre in one of these are left out",
    )
    switch_margin_deg: float = Field(4.0, ge=0, description="another must be nearer by this to take the lock")
    switch_after_s: float = Field(0.0, ge=0, description="and for so long")
    let_go_s: float = Field(
        0.1, ge=0, description="a target not seen whole for so long yields to any that is: it hid"
    )
    shot: ShotSettings = ShotSettings()
    confirm_s: float = Field(0.0, ge=0, description="a target must be seen for so long before it is chosen")
    sure_confidence: float = Field(0.6, ge=0, le=1, description="unless it was seen with this confidence")

    @field_validator("exclude")
    @classmethod
    def _check_zones(cls, zones: tuple[Zone, ...]) -> tuple[Zone, ...]:
        for left, top, right, bottom in zones:
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(
                    f"expected left < right, top < bottom, 0 to 1, got {left}, {top}, {right}, {bottom}"
                )
        return zones


def check_class_names(settings: SelectorSettings, names: Sequence[str]) -> None:
    """UserError for a class that the detector, whose class names these are, does not know."""
    for setting in ("classes", "priority", "aim_points"):
        wanted: Iterable[str] = getattr(settings, setting)
        unknown = next((name for name in wanted if name not in names), None)
        if unknown is not None:
            raise UserError(
                f"expected classes of the model in aim.selector.{setting}, got {unknown!r}; "
                f"it has: {', '.join(names)}"
            )


class Selector:
    """Tracks the detections in the world frame and locks one of them."""

    def __init__(
        self, settings: SelectorSettings, tracker: Tracker, view: ViewSettings, names: Sequence[str]
    ) -> None:
        """`names`: the detector's class names, by class id."""
        self.settings = settings
        self.tracker = tracker
        self._view_settings = view
        self._is_flat = view.is_flat
        self._view: View | None = None
        self._names = tuple(names)
        self._aim_points = list_aim_points(settings, names)
        self._locked_id: int | None = None
        self._shot = Shot(settings.shot)
        self._is_on = False  # whether the crosshair was on it
        self._rival: tuple[int, int] | None = None  # the track that would take the lock, and since when

    def select(self, frame: Frame, detections: Detections, ledger: CountLedger) -> Target | None:
        """The target to aim at, or None."""
        view, now_ns = self._find_view(frame.size_wh), frame.captured_ns
        seen = self._observe(detections, view, ledger, now_ns) if len(detections) else NONE_SEEN
        tracks = self.tracker.update(seen, now_ns, self.settings.min_confidence)
        self._shot.look(tracks, now_ns)
        chosen = self._choose(tracks, view, ledger.total, now_ns)
        self._locked_id = chosen.track_id if chosen else None
        self._is_on = chosen is not None and self._covers(chosen, ledger.total, now_ns)
        return describe_target(chosen, now_ns, self.settings.min_confidence) if chosen else None

    def shot(self, pressed_ns: int) -> None:
        """The fire button went down, at the target that was chosen last."""
        self._shot.press(find_track(self.tracker.tracks, self._locked_id), pressed_ns)

    def _find_view(self, size_wh: tuple[int, int]) -> View:
        """The view of frames of this size; frames seldom change it."""
        if self._view is None or self._view.frame_size_wh != size_wh:
            self._view = View(self._view_settings, size_wh)
        return self._view

    def _observe(self, detections: Detections, view: View, ledger: CountLedger, now_ns: int) -> Observations:
        """The detections that may be targets, in the world frame."""
        offsets = measure_offsets(detections, self._aim_points, self.tracker.settings, view)
        shown, sigma = estimate_shown(offsets, self.tracker, ledger, self._view_settings, now_ns)
        seen = offsets.place(shown, sigma)
        wanted = [row for row, one in enumerate(seen.rows) if self._may_be_target(one, view, shown)]
        return seen if len(wanted) == len(seen) else seen.take(wanted)

    def _may_be_target(self, seen: Observation, view: View, shown: XY) -> bool:
        left, top, right, bottom = seen.box_xyxy_px
        if right <= left or bottom <= top:
            return False
        if self.settings.classes and self._names[seen.class_id] not in self.settings.classes:
            return False
        width, height = view.frame_size_wh
        x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
        if any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in self.settings.exclude):
            return False
        offset = (seen.bearing_counts[0] - shown[0], seen.bearing_counts[1] - shown[1])
        return view.counts_to_deg(offset) <= self.settings.fov_radius_deg

    def _choose(self, tracks: Sequence[Track], view: View, sent: XY, now_ns: int) -> Track | None:
        """The best by rank, unless the locked one is as good within the margins."""
        ready = [track for track in tracks if self._is_ready(track, now_ns)]
        if not ready:
            self._rival = None
            return None
        ranks = {track.track_id: self._rank(track, view, sent, now_ns) for track in ready}
        best = min(ready, key=lambda track: ranks[track.track_id])
        locked = find_track(ready, self._locked_id)
        if locked is not None and self._has_slipped(locked, sent, now_ns):
            covering = [one for one in ready if one.whole_ns == now_ns and self._covers(one, sent, now_ns)]
            if covering:  # it hides the locked one, or is it: to follow that would turn off this
                locked = best = min(covering, key=lambda track: ranks[track.track_id])
        if locked is None or best is locked:
            self._rival = None
            return best
        if not self._beats(ranks[best.track_id], ranks[locked.track_id]):
            self._rival = None
            return locked
        if self._rival is None or self._rival[0] != best.track_id:
            self._rival = best.track_id, now_ns
        if (now_ns - self._rival[1]) / 1e9 < self.settings.switch_after_s:
            return locked
        self._rival = None
        return best

    def _is_ready(self, track: Track, now_ns: int) -> bool:
        """Whether it may be the target: what is not in the picture may stay it, and does not become it."""
        is_old = (track.seen_ns - track.born_ns) / 1e9 >= self.settings.confirm_s
        is_confirmed = is_old or track.sure >= self.settings.sure_confidence
        is_here = track.seen_ns == now_ns or track.track_id == self._locked_id
        return is_confirmed and is_here and not self._shot.felled(track)

    def _beats(self, first: Rank, second: Rank) -> bool:
        """Whether a track that ranks first may take the lock: in view, by its class, or by the margin.

        By size and by confidence the margin is a quarter, for these have no degrees.
        """
        if first[:2] != second[:2]:
            return True
        mine, its = first[2], second[2]
        if self.settings.policy in ("largest", "most_confident"):
            return mine < 1.25 * its  # both are negative
        return mine < its - self.settings.switch_margin_deg

    def _rank(self, track: Track, view: View, sent: XY, now_ns: int) -> Rank:
        """Smaller is better: seen whole, the class's priority, the policy's measure, the older track."""
        seen = track.seen
        if self.settings.policy == "largest":
            value = -view.counts_to_deg(seen.half_size_counts)
        elif self.settings.policy == "most_confident":
            value = -seen.confidence
        else:
            is_by_centre = self.settings.policy == "nearest_centre"
            x, y = track.centre_at(now_ns) if is_by_centre else track.bearing_at(now_ns)
            value = view.counts_to_deg((x - sent[0], 0.0 if self._is_flat else y - sent[1]))
        is_hidden = track.hidden_s(now_ns) > self.settings.let_go_s
        return is_hidden, self._class_rank(track), value, track.track_id

    def _has_slipped(self, locked: Track, sent: XY, now_ns: int) -> bool:
        """Whether it is not seen whole, or is gone at once from under the crosshair, as no target walks."""
        return locked.whole_ns != now_ns or (self._is_on and not self._covers(locked, sent, now_ns))

    def _covers(self, track: Track, sent: XY, now_ns: int) -> bool:
        """Whether the crosshair is within the track's box once all counts sent have shown."""
        sides = zip(track.centre_at(now_ns), sent, track.seen.half_size_counts, strict=True)
        across, down = (abs(centre - crosshair) <= half for centre, crosshair, half in sides)
        return across and (down or self._is_flat)

    def _class_rank(self, track: Track) -> int:
        name, first = self._names[track.seen.class_id], self.settings.priority
        return first.index(name) if name in first else len(first)


def list_aim_points(settings: SelectorSettings, names: Sequence[str]) -> Floats:
    """The aim point of each class, by class id; (classes, 2)."""
    return np.array([settings.aim_points.get(name, settings.aim_point) for name in names])


def describe_target(track: Track, now_ns: int, min_confidence: float) -> Target:
    """A track as the target at `now_ns`; its centre moves with its bearing."""
    seen = track.seen
    return Target(
        track_id=track.track_id,
        class_id=seen.class_id,
        box_xyxy_px=seen.box_xyxy_px,
        aim_xy_px=seen.aim_xy_px,
        bearing_counts=track.bearing_at(now_ns),
        centre_counts=track.centre_at(now_ns),
        half_size_counts=seen.half_size_counts,
        velocity_counts_per_s=track.velocity_counts_per_s,
        speed_sigma_counts_per_s=track.speed_sigma_counts_per_s,
        age_ns=now_ns - track.seen_ns,
        is_clear=track.whole_ns == now_ns and seen.confidence >= min_confidence,
    )
