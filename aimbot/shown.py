"""How many of the counts sent a picture shows: told by the latency, and by the picture itself."""

from collections.abc import Sequence

import numpy as np

from aimbot.kalman import Floats, split_axes
from aimbot.ledger import CountLedger
from aimbot.observing import Offsets
from aimbot.target import XY
from aimbot.tracker import Tracker
from aimbot.view import ViewSettings

REDRAW_NS = 30_000_000
"""A game that draws 35 pictures a second shows one for so long: it may be older than its latency says."""
MOST_MISFIT = 36.0
"""Squared deviations: a track that no box is nearer to than this was not seen, and tells no more."""

MOST_LATE = 45.0
"""So unlikely is a picture that is later or sooner than it should be: one track cannot tell it."""


def estimate_shown(
    offsets: Offsets,
    tracker: Tracker,
    ledger: CountLedger,
    view: ViewSettings,
    captured_ns: int,
    most_late: float = MOST_LATE,
) -> tuple[XY, XY]:
    """Total counts that the picture shows, and their deviation.

    The latency says when a count shows, to within a picture; in a quick turn that is many degrees. So of the
    totals that are possible the likeliest is taken: by the latency, and by how well the boxes then lie where
    the tracks are. most_late: see MOST_LATE; below MOST_MISFIT one track is enough.
    """
    shown_ns = captured_ns - view.shown_after_ns
    prior, spread = ledger.estimate_at(shown_ns, view.shown_within_ns)
    if not len(offsets) or not tracker.tracks:
        return prior, spread
    times_ns, totals = ledger.totals_between(shown_ns - REDRAW_NS, captured_ns)
    if len(totals) == 1:
        return prior, spread
    within_ns = shown_ns - view.shown_within_ns, shown_ns + view.shown_within_ns
    misfits = tell_misfits(offsets, tracker, totals, captured_ns)
    lateness = tell_lateness([*times_ns, captured_ns], within_ns, most_late)
    return choose_total(totals, misfits + lateness)


def tell_lateness(times_ns: Sequence[int], within_ns: tuple[int, int], most_late: float) -> Floats:
    """For each total, from its time to the next one's, how unlikely it is that the picture shows it; (K,).

    The picture is from between the times `within_ns`, any alike: a total that is shown for less of that is
    less likely, and one from outside is very unlikely.
    """
    bounds = np.minimum(np.maximum(times_ns, within_ns[0]), within_ns[1])
    shares = (bounds[1:] - bounds[:-1]) / max(within_ns[1] - within_ns[0], 1)
    return -2 * np.log(np.maximum(shares, np.exp(-most_late / 2)))


def tell_misfits(offsets: Offsets, tracker: Tracker, totals: Sequence[XY], captured_ns: int) -> Floats:
    """For each total, by how many squared deviations the boxes then lie off the tracks; (K,)."""
    motions, class_id = tracker.predict(captured_ns)
    sent = np.array(totals).T[:, :, None, None]
    off = split_axes(motions.position)[:, :, None] - split_axes(offsets.aim)[:, None]
    off = off[:, None] - sent  # (2, totals, tracks, boxes)
    variance = split_axes(motions.var_position)[:, :, None] + split_axes(offsets.sigma**2)[:, None] + 1e-9
    squared = off * off / variance[:, None]
    misfit = squared[0] + squared[1]
    np.copyto(misfit, MOST_MISFIT, where=class_id[:, None] != offsets.class_id)
    best: Floats = np.minimum(misfit.min(axis=-1), MOST_MISFIT).sum(axis=-1)
    return best


def choose_total(totals: Sequence[XY], costs: Floats) -> tuple[XY, XY]:
    """The likeliest of the totals, and the deviation of the truth from it."""
    best = int(costs.argmin())
    weights = np.exp((costs[best] - costs) / 2)
    off = np.array(totals)
    off = off - off[best]
    sigma_x, sigma_y = np.sqrt((weights[:, None] * off * off).sum(axis=0) / weights.sum()).tolist()
    return totals[best], (sigma_x, sigma_y)
