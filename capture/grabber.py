"""A thread that grabs, and a mailbox for one frame in which the newest wins."""

import threading

from capture.clock import Clock
from capture.frame import Frame
from capture.source import FrameSource


class Grabber:
    """Takes frames from a source as they come; `take` hands over the newest one, once.

    A live source leaves out by itself what shows nothing new, so that ids have no gaps there; ids that
    `take` skips were overwritten. The grabber owns the source, and closes it.
    grabbed: frames that the source emitted; overwritten: those that nobody took in time.
    """

    def __init__(self, source: FrameSource, clock: Clock) -> None:
        self.grabbed = 0
        self.overwritten = 0
        self._source, self._clock = source, clock
        self._slot: Frame | None = None
        self._error: BaseException | None = None
        self._over = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    @property
    def unchanged(self) -> int:
        """Looks at the screen that showed nothing new; 0 for a recording."""
        return int(getattr(self._source, "unchanged", 0))

    @property
    def ended(self) -> bool:
        """Whether the source is over and its last frame taken; a failed source ends by raising in `take`."""
        with self._change:
            return self._over and self._slot is None and self._error is None

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame not taken yet, or None after `timeout_s` or when the source is over.

        Raises what the source raised, once, after the last good frame was taken.
        """
        deadline_ns = self._clock() + int(timeout_s * 1e9)
        with self._change:
            while self._slot is None and not self._over:
                remaining_s = (deadline_ns - self._clock()) / 1e9
                if remaining_s <= 0 or not self._change.wait(remaining_s):
                    break
            frame, self._slot = self._slot, None
            if frame is None and self._error is not None:
                error, self._error = self._error, None
                raise error
            return frame

    def close(self) -> None:
        """Close the source and join the thread."""
        self._source.close()
        self._thread.join()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while (frame := self._source.grab()) is not None:
                with self._change:
                    self.grabbed += 1
                    self.overwritten += self._slot is not None
                    self._slot = frame
                    self._change.notify()
        except BaseException as caught:  # handed to the thread that takes
            error = caught
        with self._change:
            self._error, self._over = error, True
            self._change.notify_all()
