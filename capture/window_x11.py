"""Windows on X11, with a window manager and without one."""

import difflib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from Xlib import X, Xatom, error
from Xlib.display import Display
from Xlib.protocol import event

from capture.errors import UserError
from capture.frame import Region
from capture.window import DisplayGone, WindowGone

Answer = TypeVar("Answer")
TITLES_SHOWN = 10
DISPLAY_GONE = "expected the X display to stay, it is gone; start the game, and this again"


def find_window(title: str) -> "X11Window":
    """See `capture.window.find_window`."""
    display = _connect()
    try:
        return _find_on(display, title)
    except BaseException:
        _disconnect(display)
        raise


def _find_on(display: Display, title: str) -> "X11Window":
    """The window, which takes over the display."""
    with _blame_display():
        clients = list(_iterate_clients(display))
        for named in (clients, list(_iterate_tree(display, display.screen().root))):
            found = _match_title(title, [name for _, name in named])
            if found:
                return X11Window(display, *named[found[0]], _describe_choice([named[one] for one in found]))
    raise UserError(_describe_missing(title, [name for _, name in clients or named]))


def list_titles() -> list[str]:
    """See `capture.window.list_titles`."""
    display = _connect()
    try:
        with _blame_display():
            named = list(_iterate_clients(display)) or list(_iterate_tree(display, display.screen().root))
        return [name for _, name in named]
    finally:
        _disconnect(display)


class X11Window:
    """A window by its id, over a connection of its own."""

    def __init__(self, display: Display, window_id: int, title: str, choice: str | None = None) -> None:
        """Takes over `display`, and closes it at the end."""
        self.title, self.choice = title, choice
        self.window_id = window_id
        self._display = display
        self._root = display.screen().root
        self._window = display.create_resource_object("window", window_id)

    def region(self) -> Region:
        """Where its client area lies on the screen."""
        return self._ask(self._read_region)

    def focused(self) -> bool:
        """Whether the input focus is in it; without a window manager the focus may follow the pointer."""
        return self._ask(self._read_focused)

    def focus(self) -> None:
        """Ask the window manager, or else take the focus."""
        self._ask(self._take_focus)

    def reconnect(self) -> "X11Window":
        """The same window over a new connection, for another thread."""
        try:
            display = Display(self._display.get_display_name())
        except (error.DisplayError, error.ConnectionClosedError, OSError) as caught:
            raise DisplayGone(f"{DISPLAY_GONE} ({caught})") from caught
        return X11Window(display, self.window_id, self.title)

    def close(self) -> None:
        """Close the connection."""
        _disconnect(self._display)

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            with _blame_display():
                return question()
        except error.XError as caught:
            raise WindowGone(f"expected window {self.title!r} to stay, it is gone; open it again") from caught

    def _read_region(self) -> Region:
        size = self._window.get_geometry()
        corner = self._root.translate_coords(self._window, 0, 0)
        return Region(corner.x, corner.y, size.width, size.height)

    def _read_focused(self) -> bool:
        focus = self._display.get_input_focus().focus
        if focus == X.PointerRoot:
            pointer = self._root.query_pointer()
            region = self._read_region()
            inside_x = 0 <= pointer.root_x - region.left_px < region.width_px
            inside_y = 0 <= pointer.root_y - region.top_px < region.height_px
            return bool(inside_x and inside_y and pointer.child == self._lineage(self._window)[-1])
        self._window.get_geometry()  # a window that is gone has no focus, but must be told from an idle one
        return focus != X.NONE and any(window == self._window for window in self._lineage(focus))

    def _lineage(self, window: Any) -> list[Any]:
        """The window, its parent and so on, without the root."""
        line = []
        try:
            while window and window != self._root:
                line.append(window)
                window = window.query_tree().parent
        except error.BadWindow:
            if window == self._window:
                raise  # another window may well vanish while it is asked
        return line

    def _take_focus(self) -> None:
        failed = error.CatchError(error.BadMatch, error.BadWindow)
        active = self._display.get_atom("_NET_ACTIVE_WINDOW")
        supported = self._root.get_full_property(self._display.get_atom("_NET_SUPPORTED"), Xatom.ATOM)
        self._window.get_geometry()
        if supported is not None and active in supported.value:
            from_pager = 2  # window managers refuse more requests of plain applications
            message = event.ClientMessage(
                window=self._window, client_type=active, data=(32, [from_pager, X.CurrentTime, 0, 0, 0])
            )
            mask = X.SubstructureRedirectMask | X.SubstructureNotifyMask
            self._root.send_event(message, event_mask=mask, onerror=failed)
        else:
            self._window.configure(stack_mode=X.Above, onerror=failed)
            self._window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime, onerror=failed)
        self._display.sync()


def _connect() -> Display:
    name = os.environ.get("DISPLAY")
    if not name:
        raise UserError("expected an X display, DISPLAY is not set; start from a desktop, or under xvfb-run")
    try:
        return Display(name)
    except (error.DisplayError, error.ConnectionClosedError, OSError) as caught:
        raise UserError(f"expected an X display at DISPLAY={name}, got: {caught}; mend it") from caught


def _disconnect(display: Display) -> None:
    with suppress(error.ConnectionClosedError):  # the display may be gone
        display.close()


@contextmanager
def _blame_display() -> Iterator[None]:
    """DisplayGone for a display that goes away."""
    try:
        yield
    except error.ConnectionClosedError as caught:
        raise DisplayGone(DISPLAY_GONE) from caught


def _iterate_clients(display: Display) -> Iterator[tuple[int, str]]:
    """Ids and titles of the window manager's windows; nothing without one."""
    listed = display.screen().root.get_full_property(display.get_atom("_NET_CLIENT_LIST"), Xatom.WINDOW)
    for window_id in listed.value if listed is not None else ():
        name = _read_title(display, display.create_resource_object("window", window_id))
        if name:
            yield int(window_id), name


def _iterate_tree(display: Display, parent: Any) -> Iterator[tuple[int, str]]:
    """Ids and titles of the windows shown: also those that keep out of the window manager's hands."""
    try:
        children = parent.query_tree().children
    except error.BadWindow:
        return
    for child in children:
        try:
            if child.get_attributes().map_state != X.IsViewable:
                continue
        except error.BadWindow:
            continue
        name = _read_title(display, child)
        if name:
            yield int(child.id), name
        else:
            yield from _iterate_tree(display, child)


def _read_title(display: Display, window: Any) -> str:
    """The title, or nothing for a window without one or closed meanwhile."""
    try:
        named = window.get_full_property(display.get_atom("_NET_WM_NAME"), X.AnyPropertyType)
        title = named.value if named is not None else window.get_wm_name()
    except error.BadWindow:
        return ""
    return title.decode("utf-8", "replace") if isinstance(title, bytes) else str(title or "")


def _match_title(wanted: str, titles: list[str]) -> list[int]:
    """Indices of the titles that are `wanted`, or else of those that contain it, in any case.

    Nothing for a blank one, which every title contains.
    """
    if not wanted.strip():
        return []
    numbered = [(index, title, title.casefold()) for index, title in enumerate(titles)]
    exact = [index for index, title, _ in numbered if title == wanted]
    alike = [index for index, _, folded in numbered if folded == wanted.casefold()]
    return exact or alike or [index for index, _, folded in numbered if wanted.casefold() in folded]


def _describe_choice(named: list[tuple[int, str]]) -> str | None:
    """Which window of those that match was taken; None where there is but one."""
    if len(named) < 2:
        return None
    first, *others = [f"{title!r} ({window_id:#x})" for window_id, title in named]
    more = f" and {len(others) - TITLES_SHOWN} more" if len(others) > TITLES_SHOWN else ""
    return f"{len(named)} windows match: {first} was taken, not {', '.join(others[:TITLES_SHOWN])}{more}"


def _describe_missing(wanted: str, titles: list[str]) -> str:
    if not titles:
        return f"expected a window titled {wanted!r}, found no window with a title; start the game first"

    def likeness(title: str) -> float:
        return difflib.SequenceMatcher(None, wanted.casefold(), title.casefold()).ratio()

    nearest = sorted(dict.fromkeys(titles), key=likeness, reverse=True)
    more = f" and {len(nearest) - TITLES_SHOWN} more" if len(nearest) > TITLES_SHOWN else ""
    shown = ", ".join(repr(title) for title in nearest[:TITLES_SHOWN])
    return f"expected a window titled {wanted!r}, found {shown}{more}; start the game, or give one of these"
