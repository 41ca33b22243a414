"""Players to hold the assistant against: an oracle that knows the truth, and a simple loop.

They search and fire by the assistant's own rules and settings, so that only the aim differs.
"""

import math
from collections.abc import Sequence

from aimbot.aimer import Aimer, AimSettings
from aimbot.ledger import CountLedger
from aimbot.target import XY, Command, Target
from aimbot.view import View, ViewSettings
from arena.truth import Monster, Tic, TruthLog, wrap_deg
from capture.frame import Frame
from detection.detections import Detections

MAX_GAP_NS = 100_000_000  # between two frames; a longer one is a restart, not a step
IN_FLIGHT_NS = 300_000_000  # counts older than this are shown, or lost
SPEED_OVER_S = 0.25  # monsters walk in steps of a few tics: over less than some of these, speed is noise
SIMPLE_SHARE, SIMPLE_LATENCY_NS = 0.8, 20_000_000


class ReferenceAimer(Aimer):
    """Steers by a share of the whole error at once; a subclass says where the target is."""

    share = 1.0

    def __init__(self, settings: AimSettings, class_names: Sequence[str]) -> None:
        super().__init__(settings, class_names)
        self._last_ns = self._seen_ns = 0

    def steer(self, frame: Frame, target: Target | None, now_ns: int) -> Command:
        """A share of the error that is left once all counts in flight have shown."""
        passed_ns = min(frame.captured_ns - self._last_ns, MAX_GAP_NS)
        self._last_ns = frame.captured_ns
        if target is None:
            return Command(self._search(passed_ns), 0, fire=False)
        self._seen_ns = frame.captured_ns
        late_s = (now_ns - frame.captured_ns) / 1e9 + self.settings.view.display_latency_ms / 1e3
        aim = target.bearing_counts[0] + target.velocity_counts_per_s[0] * late_s
        step = round(self.share * (aim - self.ledger.total[0]))
        after = self.ledger.total[0] + step, self.ledger.total[1]
        return Command(step, 0, self._trigger.pull(target, after, late_s, now_ns))

    def reset(self) -> None:
        """Nothing but the trigger's last press is carried from frame to frame."""

    def _search(self, passed_ns: int) -> int:
        """Counts of the assistant's own search."""
        rules = self.settings.controller
        if self._last_ns - self._seen_ns < rules.search_after_s * 1e9:
            return 0
        return round(rules.search_deg_per_s * passed_ns / 1e9 / self.settings.view.yaw_deg_per_count)


class SimpleAimer(ReferenceAimer):
    """The nearest box, 80 % of the way, with 20 ms assumed for what is in flight: no tracks, no lead."""

    share = SIMPLE_SHARE

    def select(self, frame: Frame, detections: Detections) -> Target | None:
        """The box whose middle is nearest to the crosshair."""
        view = View(self.settings.view, frame.size_wh)
        shown = self.ledger.total_at(frame.captured_ns - SIMPLE_LATENCY_NS)[0]
        sure = detections.select(detections.confidence >= self.settings.selector.min_confidence)
        targets = [
            describe_box((left, top, right, bottom), view, shown, 0, (0.0, 0.0))
            for left, top, right, bottom in sure.xyxy_px.tolist()
        ]
        return min(targets, key=lambda one: abs(one.bearing_counts[0] - shown), default=None)


class ShownCounts:
    """How many of the counts sent a picture shows, from the angle that the game says it looks at."""

    def __init__(self, view: ViewSettings) -> None:
        self._view = view
        self._shown = 0.0
        self._last: Tic | None = None

    def update(self, tic: Tic, ledger: CountLedger, captured_ns: int) -> float:
        """The counts that this tic's picture shows; each counts whole, and in the order that it was sent.

        Where the angle says what no total of late was, the game lost some, as it does when an episode
        begins: then what the measured latency says.
        """
        if self._last is not None:
            turned_deg = wrap_deg(self._last.angle_deg - tic.angle_deg)
            self._shown += turned_deg / self._view.yaw_deg_per_count
        self._last = tic
        _, late = ledger.totals_between(captured_ns - IN_FLIGHT_NS, captured_ns)
        if all(abs(x - self._shown) >= 1 for x, _ in late):
            self._shown = ledger.total_at(captured_ns - self._view.shown_after_ns)[0]
        return self._shown


class OracleAimer(ReferenceAimer):
    """Jumps to the nearest living monster, whose place and speed it knows, less the counts in flight.

    It knows what the picture shows, no sooner than the detector would have told it; with `sees_all` also
    the monsters that are out of sight, and turns to the nearest of them instead of searching.
    """

    def __init__(
        self, settings: AimSettings, class_names: Sequence[str], truth: TruthLog, sees_all: bool = False
    ) -> None:
        super().__init__(settings, class_names)
        self._truth, self._sees_all = truth, sees_all
        self._shown = ShownCounts(settings.view)

    def select(self, frame: Frame, detections: Detections) -> Target | None:
        """The nearest monster in sight, or else, with `sees_all`, the nearest of all."""
        tic = self._truth.find(frame.pixels)
        if tic is None:
            return None
        shown = self._shown.update(tic, self.ledger, frame.captured_ns)
        view = View(self.settings.view, frame.size_wh)
        targets = [
            describe_box(monster.box, view, shown, monster.monster_id, self._find_velocity(monster, tic))
            for monster in tic.monsters
            if monster.box
        ]
        if not targets and self._sees_all:
            targets = [describe_unseen(monster, view, shown) for monster in tic.monsters]
        sent = self.ledger.total[0]
        return min(targets, key=lambda one: abs(one.bearing_counts[0] - sent), default=None)

    def _find_velocity(self, monster: Monster, tic: Tic) -> XY:
        """Counts a second over the last quarter of a second, free of the view's motion."""
        before = self._truth.find_before(tic, SPEED_OVER_S)
        passed_s = tic.episode_s - before.episode_s
        same = next((one for one in before.monsters if one.monster_id == monster.monster_id), None)
        if same is None or passed_s <= 0:
            return 0.0, 0.0
        moved_deg = wrap_deg(monster.bearing_deg - tic.angle_deg - same.bearing_deg + before.angle_deg)
        return moved_deg / passed_s / self.settings.view.yaw_deg_per_count, 0.0


def describe_box(
    box: tuple[float, float, float, float], view: View, shown: float, track_id: int, velocity: XY
) -> Target:
    """A target at the middle of a box, in a picture that shows so many counts."""
    left, top, right, bottom = box
    middle_y = (top + bottom) / 2
    x0, x1 = (view.offset_counts((x, middle_y))[0] for x in (left, right))
    bearing = ((x0 + x1) / 2 + shown, 0.0)
    aim = ((left + right) / 2, middle_y)
    half = ((x1 - x0) / 2, math.inf)  # heights do not count: the game aims up and down by itself
    return Target(track_id, 0, box, aim, bearing, bearing, half, velocity, (0.0, 0.0), 0, is_clear=True)


def describe_unseen(monster: Monster, view: View, shown: float) -> Target:
    """A target to turn to and not to fire at."""
    bearing = (view.deg_to_yaw_counts(monster.bearing_deg) + shown, 0.0)
    nowhere = (0.0, 0.0)
    box = (0.0, 0.0, 0.0, 0.0)
    half = velocity = sigma = nowhere
    return Target(
        monster.monster_id, 0, box, nowhere, bearing, bearing, half, velocity, sigma, 1, is_clear=False
    )
