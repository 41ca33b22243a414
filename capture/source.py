"""The seam that frames come through, and the settings that choose a live one."""

import re
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from capture.clock import Clock
from capture.errors import UserError
from capture.frame import Frame, Region
from capture.window import Window

BackendName = Literal["auto", "xshmgetimage", "xgetimage"]
REGION = re.compile(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*")


class FrameSource(Protocol):
    """Where frames come from; one thread grabs, any thread closes."""

    def grab(self) -> Frame | None:
        """The next frame, waited for; None when the recording is over or the source was closed.

        Ids go up from one frame to the next: by one each, except in a recorded session, which keeps its own.
        """

    def close(self) -> None:
        """Make a waiting `grab` return None, and free what the source holds; more than once is harmless."""


class LiveSource(FrameSource, Protocol):
    """A source that watches a screen: each frame differs from the one before in a pixel or in its place."""

    window: Window | None
    """The followed window. Its connection belongs to whoever opened the source: see `Window.reconnect`."""
    unchanged: int
    """Looks at the screen that showed nothing new."""
    whole: Region
    """What is looked at, uncropped, as it was found last."""
    gone: bool
    """Whether the source is over because the window was closed."""


class CaptureSettings(BaseModel):
    """What part of the screen is looked at, and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    window: str | None = None
    """Part of a window's title, in any case, of several the first; the window is followed as it moves."""
    region: str | None = None
    """X,Y,W,H in pixels of the whole screen."""
    monitor: int | None = Field(default=None, ge=0)
    """1 is the first, 0 all of them; with neither window nor region the first is taken."""
    crop_px: tuple[int, int] | Literal["whole", "detector"] = "whole"
    """Width and height of a crop around the centre of the above; `detector` is the size of its input."""
    max_hz: float = Field(default=240.0, gt=0)
    """The screen is looked at no more often than this."""
    on_damage: bool = True
    """Look when the system reports that something was drawn, where it does; else by the time."""
    repeat_s: float = Field(default=0.0, ge=0)
    """A picture that stays the same is emitted again after this time, with the same pixel array; 0: never."""
    backend: BackendName = "auto"
    """How mss reads the screen; auto is its shared-memory backend, which falls back by itself.

    Its backend xlib is left out: that may be closed only by the thread that opened it.
    """


def open_source(settings: CaptureSettings, clock: Clock) -> LiveSource:
    """A live source as the settings say; UserError if what they name does not exist."""
    chosen = [name for name in ("window", "region", "monitor") if getattr(settings, name) is not None]
    if len(chosen) > 1:
        raise UserError(f"expected one of window, region and monitor, got {' and '.join(chosen)}; leave one")
    if settings.crop_px == "detector":
        raise UserError(
            "expected a crop in pixels where no detector runs, got detector; set capture.crop_px=[640,480]"
        )
    if settings.crop_px != "whole" and min(settings.crop_px) <= 0:
        raise UserError(f"expected a crop of at least 1,1 pixels, got {settings.crop_px}")
    from capture.screen import ScreenSource

    return ScreenSource(settings, clock)


def parse_region(text: str) -> Region:
    """X,Y,W,H as a region; UserError if it is malformed or empty."""
    match = REGION.fullmatch(text)
    numbers = [int(number) for number in match.groups()] if match else []
    if not numbers or min(numbers[2:]) == 0:
        raise UserError(
            f"expected a region as X,Y,W,H in whole pixels with a size above zero, got {text!r}; "
            "try --region 0,0,640,480"
        )
    return Region(*numbers)
