"""From pixels to mouse counts, through the game's field of view and sensitivity."""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aimbot.target import XY


class ViewSettings(BaseModel):
    """How the game turns counts into picture motion; measured per game, kept in its profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fov_deg: float = Field(90.0, gt=1, lt=179, description="horizontal field of view")
    game_width_px: int | None = Field(
        None, gt=0, description="width that fov_deg spans; unset: that of what is captured, uncropped"
    )
    pixel_aspect: float = Field(
        1.0, gt=0.2, lt=5, description="height of the game's pixels over their width; Doom's are 1.2"
    )
    yaw_deg_per_count: float = Field(0.022, gt=0)
    pitch_deg_per_count: float = Field(0.022, ge=0, description="0: the game has no vertical look")
    vertical_autoaim: bool = Field(
        False, description="the game aims up and down by itself: heights count neither for nearness nor fire"
    )
    display_latency_ms: float = Field(
        20.0, ge=0, le=500, description="from a count sent to its pixels, on average"
    )
    display_jitter_ms: float = Field(
        8.0, ge=0, le=100, description="a count waits this much less or more, for the game's next picture"
    )

    @property
    def is_flat(self) -> bool:
        """Whether a shot meets what is over or under the crosshair, so that heights do not count."""
        return self.vertical_autoaim or self.pitch_deg_per_count == 0

    @property
    def shown_after_ns(self) -> int:
        """How old a count is at least when a picture shows it.

        A game takes in what has come when it begins a picture: of the mean latency, the wait for that is no
        part of the picture's age.
        """
        return round(max(self.display_latency_ms - self.display_jitter_ms, 0.0) * 1e6)

    @property
    def shown_within_ns(self) -> int:
        """How far that is off at most: half of the wait, for pictures come late."""
        return round(self.display_jitter_ms / 2 * 1e6)

    @property
    def counts_per_deg(self) -> XY:
        """Of yaw and of pitch; 0 where there is no vertical look."""
        return 1 / self.yaw_deg_per_count, 1 / self.pitch_deg_per_count if self.pitch_deg_per_count else 0.0

    def counts_to_deg(self, counts: XY) -> float:
        """The angle of a pair of counts, in degrees (small-angle sum of yaw and pitch)."""
        return math.hypot(counts[0] * self.yaw_deg_per_count, counts[1] * self.pitch_deg_per_count)


class View:
    """Maps a frame's pixels to counts from the crosshair."""

    def __init__(self, settings: ViewSettings, frame_size_wh: tuple[int, int]) -> None:
        self.counts_to_deg = settings.counts_to_deg
        self.frame_size_wh = frame_size_wh
        width = settings.game_width_px or frame_size_wh[0]
        focal_px = width / 2 / math.tan(math.radians(settings.fov_deg) / 2)
        self._focal_px = np.array([focal_px, focal_px * settings.pixel_aspect])
        self._centre_px = np.array(frame_size_wh) / 2
        self._yaw, self._pitch = settings.yaw_deg_per_count, settings.pitch_deg_per_count
        self._deg_per_count = np.array([self._yaw, self._pitch or 1.0])

    def offset_counts(self, xy_px: XY) -> XY:
        """Counts that bring the point under the crosshair: angle = atan(offset / focal length).

        The pitch is 0 where the game has no vertical look.
        """
        yaw, pitch = self.offsets_counts(np.array([xy_px]))[0]
        return float(yaw), float(pitch)

    def offsets_counts(self, xy_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for points (…, 2)."""
        slopes = (xy_px - self._centre_px) / self._focal_px
        x, y = slopes[..., 0], slopes[..., 1]
        angles = np.zeros(slopes.shape)
        np.arctan(x, out=angles[..., 0])
        if self._pitch:
            np.arctan2(y, np.hypot(1, x), out=angles[..., 1])
        counts: NDArray[np.float64] = np.degrees(angles) / self._deg_per_count
        return counts

    def deg_to_yaw_counts(self, deg: float) -> float:
        """Yaw counts that turn the view by `deg`."""
        return deg / self._yaw
