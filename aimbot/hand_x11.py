"""The person's mouse on X11: raw motion by the XInput2 extension."""

import struct
from contextlib import suppress
from dataclasses import dataclass

from Xlib import display
from Xlib.error import ConnectionClosedError, DisplayError
from Xlib.ext import xinput
from Xlib.ext.ge import GenericEventCode

from aimbot.hand import OwnMoves, RawMove
from aimbot.ledger import TimedMove
from capture.clock import Clock
from capture.errors import UserError

HEADER = struct.Struct("=HIIHHI4x")  # device, time, detail, source, mask length, flags
FIXED = struct.Struct("=iI")  # FP3232: whole part, and 1/2³² parts
MS_NS = 1_000_000
CLOCK_MS = 2**32  # the server's clock goes round
LATE_MS = 2_000  # an event that seems older does not come from a server with our clock


@dataclass(frozen=True, slots=True)
class RawMotion:
    """What a raw event says: the device, the server's time, and x and y without acceleration."""

    source_id: int
    time_ms: int
    x_counts: float
    y_counts: float


class X11Hand:
    """Reads raw motion when it is asked, without a thread: the events wait in the connection.

    The raw values are the mouse's own counts, before the desktop's acceleration. Games that turn by raw
    motion read the same ones, as SDL does in relative mode unless it is told otherwise.
    """

    def __init__(self, clock: Clock, display_name: str | None = None) -> None:
        """Listen on `display_name`, or DISPLAY; UserError if there is none or it lacks XInput 2.1."""
        self._clock, self._own = clock, OwnMoves()
        try:
            self._display = display.Display(display_name)
        except (DisplayError, OSError) as error:
            raise UserError(
                f"expected an X display to follow the hand on, found none ({error}); set DISPLAY, or use "
                "--set hotkeys.follow_hand=false"
            ) from error
        if self._agree_version() < (2, 1):
            self._display.close()
            raise UserError(
                "expected an X server with XInput 2.1 to follow the hand, found an older one or none; use "
                "--set hotkeys.follow_hand=false"
            )
        self._relative: dict[int, bool] = {}
        self.devices = self._list_devices()
        masks = [(xinput.AllMasterDevices, xinput.RawMotionMask)]
        self._display.screen().root.xinput_select_events(masks)
        self._display.sync()

    def take(self) -> list[TimedMove]:
        """The person's moves since the last call; stamped by the server, which shares our clock.

        None come where the display is gone: the capture tells of that.
        """
        moves: list[RawMove] = []
        now_ns = self._clock()
        with suppress(ConnectionClosedError):
            self._read(moves, now_ns)
        return self._own.leave_out(moves)

    def _read(self, moves: list[RawMove], now_ns: int) -> None:
        for _ in range(self._display.pending_events()):
            event = self._display.next_event()
            if (event.type, getattr(event, "evtype", None)) != (GenericEventCode, xinput.RawMotion):
                continue
            motion = parse_raw_motion(event.data)
            if self._is_relative(motion.source_id):
                time_ns = convert_time(motion.time_ms, now_ns)
                moves.append(RawMove(time_ns, motion.x_counts, motion.y_counts))

    def sent(self, dx_counts: int, dy_counts: int) -> None:
        """Our own move will come back as a raw event."""
        self._own.sent(dx_counts, dy_counts)

    def close(self) -> None:
        """Close the connection."""
        with suppress(ConnectionClosedError):  # the display may be gone
            self._display.close()

    def _agree_version(self) -> tuple[int, int]:
        """Ask for 2.2: python-xlib's own call asks for 2.0, where a game that grabs the mouse hides it."""
        if not self._display.query_extension(xinput.extname):
            return 0, 0
        connection = self._display.display
        opcode = connection.get_extension_major(xinput.extname)
        answer = xinput.XIQueryVersion(display=connection, opcode=opcode, major_version=2, minor_version=2)
        return answer.major_version, answer.minor_version

    def _is_relative(self, source_id: int) -> bool:
        """Tablets and touch screens report places, not motion: they turn no view."""
        if source_id not in self._relative:  # plugged in since
            self._list_devices()
        return self._relative.setdefault(source_id, False)

    def _list_devices(self) -> list[str]:
        """The names of the devices that report motion."""
        names = []
        for device in self._display.xinput_query_device(xinput.AllDevices).devices:
            axes = [one for one in device.classes if one.type == xinput.ValuatorClass and one.number < 2]
            self._relative[device.deviceid] = bool(axes) and all(
                one.mode == xinput.ModeRelative for one in axes
            )
            if self._relative[device.deviceid] and device.use == xinput.SlavePointer:
                names.append(str(device.name))
        return names


def parse_raw_motion(data: bytes) -> RawMotion:
    """A raw event from its bytes after the event type (X Input protocol 2.2, RawEvent).

    After the header: a mask of the axes that are there, their accelerated values, then the raw ones.
    """
    _device, time_ms, _detail, source_id, words, _flags = HEADER.unpack_from(data)
    start = HEADER.size + 4 * words
    mask = int.from_bytes(data[HEADER.size : start], "little")
    raw = start + FIXED.size * mask.bit_count()
    values = [0.0, 0.0]
    for axis in (0, 1):
        if mask >> axis & 1:
            whole, part = FIXED.unpack_from(data, raw)
            values[axis] = whole + part / 2**32
            raw += FIXED.size
    return RawMotion(source_id, time_ms, values[0], values[1])


def convert_time(server_ms: int, now_ns: int) -> int:
    """An event's time on our clock; both count from the machine's start, the server's in 32 bits of ms.

    A server with another clock, as one far away, gives no time to go by: the event then counts as new.
    """
    age_ms = (now_ns // MS_NS - server_ms) % CLOCK_MS
    return now_ns - now_ns % MS_NS - age_ms * MS_NS if age_ms <= LATE_MS else now_ns
