"""Folders that are written whole, or not at all."""

from pathlib import Path

import pytest

from capture.files import replacing_folder


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_was_written_takes_the_place_of_all_that_was_there(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    for name in ("first", "second"):
        with replacing_folder(out) as made:
            (made / name).write_text(name)
        assert list_files(tmp_path / "new") == ["out", f"out/{name}"]


def test_a_write_that_fails_leaves_the_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("before")

    def write_half() -> None:
        with replacing_folder(tmp_path / "out") as made:
            (made / "mine").write_text("half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_half()
    assert list_files(tmp_path) == ["out", "out/mine"]
    assert (tmp_path / "out" / "mine").read_text() == "before"


def test_an_empty_folder_and_a_link_stay_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    with replacing_folder(Path()) as made:
        (made / "first").write_text("")
    assert list_files(Path()) == ["first"]
    with replacing_folder(tmp_path / "link") as made:
        (made / "second").write_text("")
    assert (tmp_path / "link").is_symlink()
    assert list_files(tmp_path / "out") == ["second"]
