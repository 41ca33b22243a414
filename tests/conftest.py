"""Fixtures that tests of several packages share: an X display, and windows on it."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from arena.display import start_xvfb
from capture.frame import Region

SCREEN = Region(0, 0, 1280, 960)
PLACE = Region(100, 80, 64, 48)


@pytest.fixture(scope="session")
def xvfb_display() -> Iterator[str]:
    """The name of an X display of 1280x960 without a window manager, in DISPLAY from here on."""
    if shutil.which("Xvfb") is None:
        message = "Xvfb is not installed: apt-get install xvfb"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with start_xvfb((SCREEN.width_px, SCREEN.height_px)) as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", name)
        yield name


class PaintedWindow:
    """A plain X11 window of one colour, 0xRRGGBB, by python-xlib."""

    def __init__(
        self, display_name: str, title: str, region: Region, colour: int, is_managed: bool = True
    ) -> None:
        from Xlib import X
        from Xlib.display import Display

        self._display = Display(display_name)
        screen = self._display.screen()
        self.root = screen.root
        place = (region.left_px, region.top_px, region.width_px, region.height_px)
        self.window = self.root.create_window(
            *place,
            border_width=0,
            depth=screen.root_depth,
            window_class=X.InputOutput,
            background_pixel=colour,
            override_redirect=not is_managed,
        )
        self.window.set_wm_name(title)
        self.window.map()
        self._display.sync()
        self.is_open = True

    def paint(self, colour: int, left: int = 0, top: int = 0, width: int = 0, height: int = 0) -> None:
        """Fill a part of the window, all of it unless told."""
        if width:
            gc = self.window.create_gc(foreground=colour)
            self.window.fill_rectangle(gc, left, top, width, height)
            gc.free()
        else:
            self.window.change_attributes(background_pixel=colour)
            self.window.clear_area()
        self._display.sync()

    def move(self, left: int, top: int) -> None:
        self.window.configure(x=left, y=top)
        self._display.sync()

    def warp_pointer(self, x: int, y: int) -> None:
        """Put the pointer somewhere on the screen."""
        self.root.warp_pointer(x, y)
        self._display.sync()

    def set_input_focus(self, focus: object) -> None:
        from Xlib import X

        self._display.set_input_focus(focus, X.RevertToPointerRoot, X.CurrentTime)
        self._display.sync()

    def add_child(self, region: Region) -> object:
        """A shown child window, as toolkits make for their drawing."""
        place = (region.left_px, region.top_px, region.width_px, region.height_px)
        child = self.window.create_window(*place, border_width=0, depth=self._display.screen().root_depth)
        child.map()
        self._display.sync()
        return child

    def drop(self) -> None:
        """Close what is left of the connection to a display that is gone."""
        self.is_open = False
        self._display.display.close_internal("client")

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.window.destroy()
            self._display.sync()
            self._display.close()


OpenWindow = Callable[..., PaintedWindow]


@pytest.fixture
def open_window(xvfb_display: str) -> Iterator[OpenWindow]:
    """Opens windows, and closes them after the test; the pointer rests at the screen's lower right."""
    windows: list[PaintedWindow] = []

    def open_one(
        title: str = "Painted game", region: Region = PLACE, colour: int = 0x203040
    ) -> PaintedWindow:
        windows.append(PaintedWindow(xvfb_display, title, region, colour))
        windows[-1].warp_pointer(SCREEN.width_px - 1, SCREEN.height_px - 1)
        return windows[-1]

    yield open_one
    for window in windows:
        window.close()
