"""Identities for the boxes of a recording, by the tracker that the selector uses."""

from collections.abc import Mapping, Sequence
from typing import Any

from aimbot.aimer import AimSettings
from aimbot.ledger import CountLedger
from aimbot.observing import measure_offsets
from aimbot.rows import decode_moves
from aimbot.selector import list_aim_points
from aimbot.shown import estimate_shown
from aimbot.tracker import Tracker
from aimbot.view import View
from capture.frame import Frame
from detection.detections import Detections

MOST_LATE = 25.0
"""Recordings are also of machines that stall: one track is enough to tell that a picture is late."""


class Identifier:
    """Numbers the targets of consecutive frames; a number is never given again.

    Every detection is followed, also those that the selector would not choose.
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
        for move in (*decode_moves(row, "hand"), *decode_moves(row, "moves")):
            self._ledger.add(move.time_ns, move.dx_counts, move.dy_counts)
        offsets = measure_offsets(detections, self._aim_points, self._aim.tracker, view)
        known = self._tracker, self._ledger, self._aim.view
        seen = offsets.place(*estimate_shown(offsets, *known, frame.captured_ns, MOST_LATE))
        tracks = self._tracker.update(seen, frame.captured_ns)
        if "applied" in row:
            self._ledger.add(row["sent_ns"], row["applied"]["dx_counts"], row["applied"]["dy_counts"])
        identities = {id(track.seen): track.track_id for track in tracks}
        return [identities[id(one)] for one in seen.rows]
