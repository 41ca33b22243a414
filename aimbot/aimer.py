"""Everything between detections and a command, free of I/O, so that live runs and replays share it."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from aimbot.controller import Controller, ControllerSettings
from aimbot.ledger import CountLedger, TimedMove
from aimbot.selector import Selector, SelectorSettings
from aimbot.target import Command, Target
from aimbot.tracker import Tracker, TrackerSettings
from aimbot.trajectory import Trajectory
from aimbot.trigger import Trigger, TriggerSettings
from aimbot.view import ViewSettings
from capture.frame import Frame
from detection.detections import Detections


class AimSettings(BaseModel):
    """All that shapes the aim; every part of it can change while running."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    view: ViewSettings = ViewSettings()
    tracker: TrackerSettings = TrackerSettings()
    selector: SelectorSettings = SelectorSettings()
    controller: ControllerSettings = ControllerSettings()
    trigger: TriggerSettings = TriggerSettings()


class Aimer:
    """Selector, controller and the ledger between them."""

    def __init__(self, settings: AimSettings, class_names: Sequence[str]) -> None:
        self._names = tuple(class_names)
        self.ledger = CountLedger()
        self._trigger = Trigger(settings.trigger, settings.view.is_flat)
        self.apply_settings(settings)

    def apply_settings(self, settings: AimSettings) -> None:
        """Take new settings; the ledger and the last press stay, tracks and smoothing start afresh."""
        self.settings = settings
        tracker = Tracker(settings.tracker, settings.view.counts_per_deg)
        self._selector = Selector(settings.selector, tracker, settings.view, self._names)
        self._trigger.apply_settings(settings.trigger, settings.view.is_flat)
        self._controller = Controller(settings.controller, self._trigger, settings.view)

    def select(self, frame: Frame, detections: Detections) -> Target | None:
        """The target in this frame, in the world frame."""
        return self._selector.select(frame, detections, self.ledger)

    def steer(self, frame: Frame, target: Target | None, now_ns: int) -> Command:
        """The command for this frame."""
        return self._controller.steer(target, self.ledger, frame.captured_ns, now_ns)

    def applied(self, sent_ns: int, dx_counts: int, dy_counts: int, fire: bool = False) -> None:
        """Enter what the pointer really did; `fire`: the button is down."""
        self.ledger.add(sent_ns, dx_counts, dy_counts)
        if self._trigger.applied(sent_ns, fire):
            self._selector.shot(sent_ns)

    def plan(self, frame: Frame, target: Target | None, now_ns: int) -> tuple[Command, Trajectory | None]:
        """The command for this frame without its motion, and that as a trajectory until the next frame."""
        return self._controller.plan(target, self.ledger, frame.captured_ns, now_ns)

    def turned(self, moves: Iterable[TimedMove]) -> None:
        """Enter what the pointer did between frames, or the person's own mouse: both turn the view."""
        for move in moves:
            self.ledger.add(move.time_ns, move.dx_counts, move.dy_counts)

    def reset(self) -> None:
        """After a refusal: no smoothing is carried over it. Tracks stay, as they only look."""
        self._controller.reset()
