"""Windows on X11, with a window manager and without one."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from conftest import PLACE, OpenWindow, PaintedWindow
from wait_helpers import wait_until
from Xlib import X
from Xlib.display import Display

from arena.display import start_xvfb
from capture.clock import monotonic_ns
from capture.errors import UserError
from capture.frame import Region
from capture.window import DisplayGone, FocusWatch, Window, WindowGone, find_window, list_titles

INSIDE = (120, 100)
OUTSIDE = (900, 700)


@pytest.fixture
def found() -> Iterator[Callable[[str], Window]]:
    """Finds windows, and closes their connections after the test."""
    windows: list[Window] = []

    def find(title: str) -> Window:
        windows.append(find_window(title))
        return windows[-1]

    yield find
    for window in windows:
        window.close()


Find = Callable[[str], Window]


def test_titles_are_those_of_the_shown_windows(open_window: OpenWindow) -> None:
    open_window("One game")
    open_window("Ünother game")
    hidden = open_window("Hidden")
    hidden.window.unmap()
    hidden.paint(0)
    assert sorted(list_titles()) == ["One game", "Ünother game"]


def test_a_window_is_found_by_a_part_of_its_title_in_any_case(open_window: OpenWindow, found: Find) -> None:
    open_window("The Painted Game 1.2")
    assert found("painted gAME").title == "The Painted Game 1.2"


def test_an_exact_title_is_preferred(open_window: OpenWindow, found: Find) -> None:
    open_window("Doom launcher")
    open_window("DOOM", Region(5, 5, 10, 10))
    assert found("doom").title == "DOOM"


def test_a_window_that_others_match_as_well_is_told_by_title_and_id(
    open_window: OpenWindow, found: Find
) -> None:
    opened = [open_window(title) for title in ("Game one", "Game two", "Game one")]
    ids = [window.window.id for window in opened]
    taken = found("game")
    region = taken.region()
    assert region == PLACE
    named = [f"'Game one' ({ids[0]:#x})", f"'Game two' ({ids[1]:#x})", f"'Game one' ({ids[2]:#x})"]
    assert taken.choice == f"3 windows match: {named[0]} was taken, not {named[1]}, {named[2]}"
    assert found("Game one").choice == f"2 windows match: {named[0]} was taken, not {named[2]}"
    assert found("Game two").choice is None


def test_a_title_that_is_missing_is_answered_with_those_there_are_nearest_first(
    open_window: OpenWindow,
) -> None:
    open_window("Calculator")
    open_window("Quake II")
    with pytest.raises(UserError, match=r"titled 'Quaek', found 'Quake II', 'Calculator'; ") as caught:
        find_window("Quaek")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"titled ' ', found "):  # a blank one is a part of all
        find_window(" ")


@pytest.mark.usefixtures("xvfb_display")
def test_a_screen_without_windows_says_so() -> None:
    with pytest.raises(UserError, match="found no window with a title"):
        find_window("game")


def test_the_region_is_the_client_area_and_moves_along(open_window: OpenWindow, found: Find) -> None:
    painted = open_window(region=PLACE)
    window = found("painted")
    assert window.region() == PLACE
    painted.move(-7, 300)
    assert window.region() == Region(-7, 300, 64, 48)


@pytest.mark.parametrize("question", ["region", "focused", "focus"])
def test_a_closed_window_is_gone(open_window: OpenWindow, found: Find, question: str) -> None:
    painted = open_window()
    window = found("painted")
    painted.close()
    with pytest.raises(WindowGone, match="'Painted game' to stay, it is gone"):
        getattr(window, question)()


def test_a_display_that_goes_away_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with start_xvfb((320, 240)) as name:
        monkeypatch.setenv("DISPLAY", name)
        painted = PaintedWindow(name, "Painted game", PLACE, 0x203040)
        window = find_window("painted")
    for question in (window.region, window.focused, window.focus):
        with pytest.raises(DisplayGone, match=r"^expected the X display to stay, it is gone"):
            question()
    window.close()
    painted.drop()


def test_a_focus_that_follows_the_pointer_is_where_the_pointer_is(
    open_window: OpenWindow, found: Find
) -> None:
    painted = open_window(region=PLACE)
    window = found("painted")
    painted.set_input_focus(X.PointerRoot)
    painted.warp_pointer(*INSIDE)
    inside = window.focused()
    painted.warp_pointer(*OUTSIDE)
    assert (inside, window.focused()) == (True, False)


def test_a_window_under_another_one_has_not_the_focus_of_the_pointer(
    open_window: OpenWindow, found: Find
) -> None:
    open_window("Covered", PLACE)
    painted = open_window("Cover", PLACE)
    painted.set_input_focus(X.PointerRoot)
    painted.warp_pointer(*INSIDE)
    assert (found("Covered").focused(), found("Cover").focused()) == (False, True)


def test_an_input_focus_counts_wherever_the_pointer_is(open_window: OpenWindow, found: Find) -> None:
    open_window("Other", Region(400, 400, 50, 50))
    painted = open_window(region=PLACE)
    painted.set_input_focus(painted.window)
    assert (found("painted").focused(), found("Other").focused()) == (True, False)


def test_a_focus_in_a_child_is_the_windows(open_window: OpenWindow, found: Find) -> None:
    painted = open_window(region=PLACE)
    painted.set_input_focus(painted.add_child(Region(1, 1, 20, 20)))
    assert found("painted").focused()


def test_no_focus_at_all_is_nobodys(open_window: OpenWindow, found: Find) -> None:
    painted = open_window(region=PLACE)
    painted.set_input_focus(X.NONE)
    painted.warp_pointer(*INSIDE)
    assert not found("painted").focused()


def test_focus_can_be_taken_without_a_window_manager(open_window: OpenWindow, found: Find) -> None:
    open_window("Other", Region(400, 400, 50, 50))
    open_window(region=PLACE)
    window, other = found("painted"), found("Other")
    window.focus()
    first = (window.focused(), other.focused())
    other.focus()
    assert (first, window.focused(), other.focused()) == ((True, False), False, True)


def test_a_watch_tells_the_focus_and_when_it_looked(open_window: OpenWindow, found: Find) -> None:
    painted = open_window(region=PLACE)
    painted.set_input_focus(painted.window)
    watch = FocusWatch(found("painted"), monotonic_ns)
    assert wait_until(lambda: watch.state()[0])
    painted.set_input_focus(X.NONE)
    assert wait_until(lambda: not watch.state()[0])
    _, checked_ns = watch.state()
    assert wait_until(lambda: watch.state()[1] > checked_ns)
    watch.close()
    assert "focus" not in [thread.name for thread in threading.enumerate()]


def test_a_watch_on_a_closed_window_tells_that_it_has_no_focus(open_window: OpenWindow, found: Find) -> None:
    painted = open_window(region=PLACE)
    painted.set_input_focus(painted.window)
    watch = FocusWatch(found("painted"), monotonic_ns)
    assert wait_until(lambda: watch.state()[0])
    painted.close()
    assert wait_until(lambda: not watch.state()[0])
    watch.close()


def test_elsewhere_than_on_linux_the_error_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UserError, match="use --region"):
        find_window("game")


@pytest.fixture(scope="module")
def managed_display() -> Iterator[str]:
    """A display of its own with openbox."""
    if shutil.which("openbox") is None or shutil.which("Xvfb") is None:
        message = "openbox or Xvfb is not installed: apt-get install openbox xvfb"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with start_xvfb((1280, 960)) as name:
        environment = {**os.environ, "DISPLAY": name}
        manager = subprocess.Popen(["openbox", "--sm-disable"], env=environment, stderr=subprocess.DEVNULL)
        try:
            assert wait_until(lambda: has_manager(name))
            yield name
        finally:
            manager.terminate()
            manager.wait(timeout=10)


def has_manager(name: str) -> bool:
    display = Display(name)
    try:
        root = display.screen().root
        return root.get_full_property(display.get_atom("_NET_CLIENT_LIST"), X.AnyPropertyType) is not None
    finally:
        display.close()


def see_colours(window: PaintedWindow, region: Region) -> set[tuple[int, ...]]:
    size = (region.width_px, region.height_px)
    image = window.root.get_image(region.left_px, region.top_px, *size, X.ZPixmap, 0xFFFFFF)
    return set(zip(*[iter(image.data)] * 4, strict=True))


def test_under_a_window_manager_the_region_is_inside_the_decoration_and_focus_is_handed_over(
    managed_display: str, monkeypatch: pytest.MonkeyPatch, found: Find
) -> None:
    monkeypatch.setenv("DISPLAY", managed_display)
    first = PaintedWindow(managed_display, "First game", Region(100, 80, 200, 150), 0x112233)
    second = PaintedWindow(managed_display, "Second game", Region(500, 400, 200, 150), 0x445566)
    try:
        assert wait_until(lambda: {"First game", "Second game"} == set(list_titles()))
        one, two = found("First"), found("Second")
        for window, other in ((one, two), (two, one)):
            window.focus()
            assert wait_until(window.focused)
            assert not other.focused()
        first.move(300, 200)
        one.focus()
        assert wait_until(lambda: one.region().left_px in range(300, 320))
        assert (one.region().width_px, one.region().height_px) == (200, 150)
        assert wait_until(lambda: see_colours(first, one.region()) == {(0x33, 0x22, 0x11, 0)})
    finally:
        first.close()
        second.close()


def test_a_window_that_the_manager_does_not_list_is_found_too(
    managed_display: str, monkeypatch: pytest.MonkeyPatch, found: Find
) -> None:
    monkeypatch.setenv("DISPLAY", managed_display)
    listed = PaintedWindow(managed_display, "Listed", Region(300, 300, 50, 50), 0)
    own = PaintedWindow(managed_display, "Full-screen game", Region(0, 0, 64, 48), 0, is_managed=False)
    try:
        assert wait_until(lambda: "Listed" in list_titles())
        assert found("full-screen").region() == Region(0, 0, 64, 48)
    finally:
        own.close()
        listed.close()
