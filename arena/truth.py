"""What the game knows and its player does not: one record a tic, and a log that finds it by its picture."""

import math
import threading
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

FINGERPRINT_STEP_PX = 8
KEPT_TICS = 256


@dataclass(frozen=True, slots=True)
class Monster:
    """A living monster.

    bearing_deg: from the crosshair to where it stands, positive to the right, within ±180.
    distance: from the player, in the map's units.
    box: its visible pixels on the screen buffer; None while there are too few for a person to see it.
    """

    monster_id: int
    bearing_deg: float
    distance: float
    box: Box | None


@dataclass(frozen=True, slots=True)
class Tic:
    """What the game knows after one tic.

    episode_s: game time since the episode began. The counts are the episode's so far.
    is_ready: whether the weapon would take a press; it begins a shot when it no longer would.
    angle_deg: where the player looks, positive to the left, as the game counts it.
    picture: `fingerprint` of the picture that shows this state.
    """

    episode: int
    episode_s: float
    kills: int
    hits: int
    ammo: int
    is_ready: bool
    health: float
    angle_deg: float
    picture: int
    monsters: Sequence[Monster]


def fingerprint(pixels: NDArray[np.uint8]) -> int:
    """A number for a BGR(A) picture: the same for the same picture, however it was taken."""
    sample = pixels[::FINGERPRINT_STEP_PX, ::FINGERPRINT_STEP_PX, :3]
    return zlib.crc32(sample.tobytes())


def wrap_deg(angle_deg: float) -> float:
    """The same direction within −180 to 180."""
    return math.remainder(angle_deg, 360.0)


def encode_tic(tic: Tic) -> dict[str, Any]:
    """As JSON takes it."""
    return asdict(tic)


def decode_tic(row: dict[str, Any]) -> Tic:
    """The tic that `encode_tic` wrote."""
    monsters = [
        Monster(**{**monster, "box": tuple(monster["box"]) if monster["box"] else None})
        for monster in row["monsters"]
    ]
    return Tic(**{**row, "monsters": monsters})


class TruthLog:
    """The latest tics; one thread adds, another looks them up."""

    def __init__(self) -> None:
        self._tics: deque[Tic] = deque(maxlen=KEPT_TICS)
        self._lock = threading.Lock()

    def add(self, tic: Tic) -> None:
        """Enter a tic, newer than all before."""
        with self._lock:
            self._tics.append(tic)

    def find(self, pixels: NDArray[np.uint8]) -> Tic | None:
        """The newest tic that looks like this, or None."""
        picture = fingerprint(pixels)
        with self._lock:
            return next((tic for tic in reversed(self._tics) if tic.picture == picture), None)

    def find_before(self, tic: Tic, seconds: float) -> Tic:
        """The oldest tic of the same episode that is at most `seconds` older than this; it, if none is."""
        with self._lock:
            return next(
                (
                    one
                    for one in self._tics
                    if one.episode == tic.episode and 0 <= tic.episode_s - one.episode_s <= seconds
                ),
                tic,
            )
