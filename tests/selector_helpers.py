"""An aimer, and what it chooses among boxes."""

from typing import Any

from aim_helpers import MS, doom_view, make_frame

from aimbot.aimer import Aimer, AimSettings
from aimbot.selector import SelectorSettings
from detection.detections import Detections

NEAR, FAR, BIG = [330, 230, 350, 270], [420, 200, 440, 240], [180, 120, 260, 330]


def make_aimer(**selector: Any) -> Aimer:
    return Aimer(AimSettings(view=doom_view(), selector=SelectorSettings(**selector)), ["monster", "friend"])


def choose(aimer: Aimer, found: Detections, index: int = 0) -> list[float] | None:
    target = aimer.select(make_frame(index, index * 16 * MS), found)
    return None if target is None else list(target.box_xyxy_px)
