"""Arrays in one block of POSIX shared memory, for a server on this machine to map."""

import mmap
import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

FOLDER = Path("/dev/shm")  # where Linux keeps what shm_open names
ALIGNMENT = 64


class SharedArrays:
    """Arrays one after another in one block, which lives as long as any of them, or a process that maps it.

    It is not multiprocessing's: that one cannot be closed while an array of it is in use, and starts a
    process to watch over it. OSError where there is no such memory, or not enough.
    """

    def __init__(self, like: Sequence[NDArray[Any]]) -> None:
        """One array for each of `like`, of its shape and type, all zeros."""
        self.offsets: list[int] = []
        self.size = 0
        for array in like:
            self.offsets.append(self.size)
            self.size += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        self.key = f"/aimbot-{uuid4().hex}"
        block = self._allocate()
        self.arrays: list[NDArray[Any]] = [
            np.frombuffer(block, array.dtype, prod(array.shape), offset).reshape(array.shape)
            for array, offset in zip(like, self.offsets, strict=True)
        ]

    def unlink(self) -> None:
        """Take its name away, after which nobody else can map it."""
        self._path.unlink()

    @property
    def _path(self) -> Path:
        return FOLDER / self.key[1:]

    def _allocate(self) -> mmap.mmap:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.size)  # or a full disk would show at the first write
            return mmap.mmap(descriptor, self.size)
        except OSError:
            self.unlink()
            raise
        finally:
            os.close(descriptor)
