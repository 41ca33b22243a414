"""What benchmarks move the mouse with."""

from aimbot.pointer import Pointer


class MovingPointer:
    """A pointer that moves, and presses nothing: what is under it may be anyone's."""

    def __init__(self, pointer: Pointer) -> None:
        self._pointer = pointer

    def move(self, dx_counts: int, dy_counts: int) -> tuple[int, int]:
        """As the pointer inside."""
        return self._pointer.move(dx_counts, dy_counts)

    def press(self) -> bool:
        """Not here."""
        return False

    def release(self) -> None:
        """Not here."""

    def close(self) -> None:
        """Close the pointer inside."""
        self._pointer.close()
