"""Files that are written whole, or not at all, and what is said where they cannot be."""

import errno
import os
import threading
from pathlib import Path

import pytest

from capture.errors import UserError, blame_paths
from capture.files import replacing


def test_what_was_written_takes_the_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for content in (b"first", b"second"):
        with replacing(path) as stream:
            stream.write(content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def write_half() -> None:
        with replacing(path) as stream:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_half()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_threads_that_write_the_same_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write_other() -> None:
        with replacing(path) as stream:
            stream.write(b"other")

    with replacing(path) as stream:
        other = threading.Thread(target=write_other)
        other.start()
        other.join()
        assert path.read_bytes() == b"other"
        stream.write(b"mine")
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP])
def test_a_place_that_cannot_be_written_is_the_users_mistake(number: int) -> None:
    with pytest.raises(UserError, match="expected a path that can be written"), blame_paths():
        raise OSError(number, "why", "where")


def test_other_errors_of_the_system_stay_what_they_are() -> None:
    with pytest.raises(ConnectionResetError), blame_paths():
        raise ConnectionResetError(errno.ECONNRESET, "why")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    with replacing(link) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(pipe) as stream:
        stream.write(b"new")
    assert os.read(reader, 3) == b"new"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_name_as_long_as_the_system_takes_is_written(tmp_path: Path) -> None:
    with replacing(tmp_path / ("a" * 250)) as stream:
        stream.write(b"new")


def test_any_error_that_names_a_path_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="expected a path that can be written"), blame_paths():
        raise OSError(errno.EINVAL, "why", "where")
