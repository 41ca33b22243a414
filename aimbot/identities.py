"""Identities for the boxes of a recording, by the tracker that the selector uses."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aimbot.aimer import AimSettings
from aimbot.ledger import CountLedger
from aimbot.observation import Observation, Observations
from aimbot.observing import observe_boxes
from aimbot.rows import decode_hand
from aimbot.selector import list_aim_points
from aimbot.target import XY
from aimbot.tracker import Track, Tracker
from aimbot.view import View
from capture.frame import Frame
from detection.detections import Detections

REDRAW_NS = 30_000_000
"""A game that draws 35 pictures a second shows one for so long: it may be older than its latency says."""


class Identifier:
    """Numbers the targets of consecutive frames; a number is never given again.

    Every detection is followed, also those that the selector would not choose. What the view had turned is
    known only to within a picture; in a quick turn that is more than the tracker's gate, so of the turns
    that are possible the one is taken which fits the tracks best.
    """

    def __init__(
        self, aim: AimSettings, class_names: Sequence[str], rows: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """`rows`: the session's rows by frame_id, for the counts sent; empty where nothing is recorded."""
        self._aim, self._rows = aim, rows
        self._aim_points = list_aim_points(aim.selector, class_names)
        self._tracker = Tracker(aim.tracker, aim.view.counts_per_deg)
        self._ledger = CountLedger()

    def identify(self, frame: Frame, detections: Detections) -> list[int]:
        """The identity of each detection, in their order; frames come in the order of their stamps."""
        view = View(self._aim.view, frame.size_wh)
        row = self._rows.get(frame.frame_id, {})
        for move in decode_hand(row):
            self._ledger.add(move.time_ns, move.dx_counts, move.dy_counts)
        offsets = self._observe(detections, view, (0.0, 0.0))
        shown = align_view(
            offsets.rows.tolist(), self._tracker.tracks, self._possible_turns(frame), frame.captured_ns
        )
        seen = self._observe(detections, view, shown)
        tracks = self._tracker.update(seen, frame.captured_ns)
        if "applied" in row:
            self._ledger.add(row["sent_ns"], row["applied"]["dx_counts"], row["applied"]["dy_counts"])
        identities = {id(track.seen): track.track_id for track in tracks}
        return [identities[id(one)] for one in seen.rows]

    def _observe(self, detections: Detections, view: View, shown: XY) -> Observations:
        return observe_boxes(detections, self._aim_points, self._aim.tracker, view, shown)

    def _possible_turns(self, frame: Frame) -> list[XY]:
        """Total counts that the frame may show; first what it shows if the latency is as the settings say."""
        shown_ns = frame.captured_ns - self._aim.view.shown_after_ns
        possible = self._ledger.totals_between(shown_ns - REDRAW_NS, frame.captured_ns)
        return [self._ledger.total_at(shown_ns), *possible]


def align_view(
    offsets: Sequence[Observation], tracks: Sequence[Track], totals: Sequence[XY], time_ns: int
) -> XY:
    """Of some total counts the one at which most tracks find a box, and nearest; the first of equals.

    offsets: the boxes as observed with no counts shown.
    """

    def rate(total: XY) -> tuple[int, float]:
        distances = []
        for track in tracks:
            x, y = track.bearing_at(time_ns)
            near = [
                distance
                for one in offsets
                if one.class_id == track.seen.class_id
                and (distance := _distance(one.bearing_counts, total, (x, y))) <= one.gate_counts
            ]
            if near:
                distances.append(min(near))
        return len(distances), -sum(distances)

    return max(totals, key=rate)


def _distance(offset: XY, total: XY, bearing: XY) -> float:
    return math.hypot(offset[0] + total[0] - bearing[0], offset[1] + total[1] - bearing[1])
