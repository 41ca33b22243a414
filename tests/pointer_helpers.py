"""A pointer thread without its thread: time goes by as it is told."""

from aim_helpers import MS, LoggingPointer, SetClock

from aimbot.pointer_thread import PointerThread
from aimbot.safety import Gates, SafetyEnvelope, SafetySettings
from aimbot.target import XY
from aimbot.trajectory import Trajectory

START_NS = 1_000 * MS
SCALE = (0.1318, 0.1758)


class Rig:
    """Steps that are taken when they are due, on a clock that jumps from one to the next."""

    def __init__(
        self, rate_hz: int = 500, safety: SafetySettings | None = None, budget_ms: float = 80
    ) -> None:
        self.clock, self.pointer, self.gates = SetClock(START_NS), LoggingPointer(), Gates(True, True)
        self.envelope = SafetyEnvelope(
            self.pointer,
            safety or SafetySettings(max_counts_per_move=30_000, max_counts_per_s=100_000),
            budget_ms,
            self.clock,
            lambda: self.gates,
        )
        self.follower = PointerThread(self.envelope, self.clock, rate_hz)

    def run(self, until_ns: int) -> None:
        """Take every step that is due by then."""
        while (wait_s := self.follower.advance()) is not None:
            after_ns = self.clock.now_ns + max(round(wait_s * 1e9), 1)
            if after_ns > until_ns:
                break
            self.clock.now_ns = after_ns
        self.clock.now_ns = max(self.clock.now_ns, until_ns)


def draw(
    way: XY, moves: XY = (0.0, 0.0), smoothing_s: float = 0.05, at_ns: int = START_NS, **limits: float
) -> Trajectory:
    """A trajectory of a frame that was taken 10 ms before."""
    rest = {"dead_zone_deg": 0.0, "max_speed_deg_per_s": 1e6, "max_acceleration_deg_per_s2": 0.0, **limits}
    return Trajectory(
        at_ns - 10 * MS, at_ns, way, moves, smoothing_s=smoothing_s, deg_per_count=SCALE, **rest
    )
