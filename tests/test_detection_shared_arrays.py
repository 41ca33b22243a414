"""Arrays in shared memory: where they lie, how long they live, and that nothing is left."""

import sys

import numpy as np
import pytest

from detection.shared_arrays import ALIGNMENT, FOLDER, SharedArrays

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not used")


def test_arrays_lie_apart_and_one_who_knows_the_name_sees_them() -> None:
    shared = SharedArrays([np.zeros((1, 5, 3), np.uint8), np.zeros((2, 4), np.float16), np.zeros(1)])
    path = FOLDER / shared.key[1:]
    for number, array in enumerate(shared.arrays, 1):
        array[:] = number
    block = path.read_bytes()
    assert len(block) == shared.size == 3 * ALIGNMENT
    assert shared.offsets == [0, ALIGNMENT, 2 * ALIGNMENT]
    for array, offset in zip(shared.arrays, shared.offsets, strict=True):
        assert block[offset : offset + array.nbytes] == array.tobytes()
    assert path.stat().st_mode & 0o077 == 0
    shared.unlink()
    assert not path.exists()


def test_an_array_outlives_what_it_came_from() -> None:
    shared = SharedArrays([np.zeros((3, 3), np.float32)])
    shared.unlink()
    (array,) = shared.arrays
    array[:] = 7
    del shared
    assert array.sum() == 63


def test_more_memory_than_there_is_leaves_nothing_behind() -> None:
    class Vast:
        nbytes = 1 << 60

    with pytest.raises(OSError, match=r"File too large|No space left"):
        SharedArrays([Vast()])  # type: ignore[list-item]
    assert list(FOLDER.glob("aimbot-*")) == []
