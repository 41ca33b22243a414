"""From pixels to mouse counts, through the game's field of view and sensitivity."""

import math

from pydantic import BaseModel, ConfigDict, Field

from aimbot.target import XY


class ViewSettings(BaseModel):
    """How the game turns counts into picture motion; measured per game, kept in its profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fov_deg: float = Field(90.0, gt=1, lt=179, description="horizontal field of view")
    game_width_px: int | None = Field(
        None, gt=0, description="width that fov_deg spans; unset: the captured frame's width"
    )
    pixel_aspect: float = Field(
        1.0, gt=0.2, lt=5, description="height of the game's pixels over their width; Doom's are 1.2"
    )
    yaw_deg_per_count: float = Field(0.022, gt=0)
    pitch_deg_per_count: float = Field(0.022, ge=0, description="0: the game has no vertical look")
    display_latency_ms: float = Field(20.0, ge=0, le=500, description="from a count sent to its pixels")

    def counts_to_deg(self, counts: XY) -> float:
        """The angle of a pair of counts, in degrees (small-angle sum of yaw and pitch)."""
        return math.hypot(counts[0] * self.yaw_deg_per_count, counts[1] * self.pitch_deg_per_count)


class View:
    """Maps a frame's pixels to counts from the crosshair."""

    def __init__(self, settings: ViewSettings, frame_size_wh: tuple[int, int]) -> None:
        self.counts_to_deg = settings.counts_to_deg
        width = settings.game_width_px or frame_size_wh[0]
        self._focal_px = width / 2 / math.tan(math.radians(settings.fov_deg) / 2)
        self._focal_y_px = self._focal_px * settings.pixel_aspect
        self._centre = (frame_size_wh[0] / 2, frame_size_wh[1] / 2)
        self._yaw, self._pitch = settings.yaw_deg_per_count, settings.pitch_deg_per_count

    def offset_counts(self, xy_px: XY) -> XY:
        """Counts that bring the point under the crosshair: angle = atan(offset / focal length).

        The pitch is 0 where the game has no vertical look.
        """
        x = (xy_px[0] - self._centre[0]) / self._focal_px
        y = (xy_px[1] - self._centre[1]) / self._focal_y_px
        yaw = math.degrees(math.atan(x)) / self._yaw
        pitch = math.degrees(math.atan2(y, math.hypot(1, x))) / self._pitch if self._pitch else 0.0
        return yaw, pitch

    def deg_to_yaw_counts(self, deg: float) -> float:
        """Yaw counts that turn the view by `deg`."""
        return deg / self._yaw
