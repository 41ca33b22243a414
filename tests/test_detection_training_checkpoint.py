"""The file that an unfinished training goes on from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.errors import UserError

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_a_checkpoint_whose_writing_was_cut_off_leaves_the_one_before(tmp_path: Path) -> None:
    import keras

    from detection.training.checkpoint import Progress, load_checkpoint, save_checkpoint

    class Broken:
        @property
        def value(self) -> Any:
            raise KeyboardInterrupt

    path = tmp_path / "c.npz"
    variable = keras.Variable(np.arange(3.0), dtype="float32")
    save_checkpoint(path, [variable], Progress(2, 6, 1.5), {"seed": 1})
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, [Broken()], Progress(3, 9, 2.5), {"seed": 1})
    variable.assign(np.zeros(3))
    assert load_checkpoint(path, [variable], {"seed": 1}) == Progress(2, 6, 1.5)
    assert np.asarray(variable.value).tolist() == [0, 1, 2]


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    import keras

    from detection.training.checkpoint import Progress, load_checkpoint, save_checkpoint

    path = tmp_path / "c.npz"
    variable = keras.Variable(np.arange(3.0), dtype="float32")
    save_checkpoint(path, [variable], Progress(2, 6, 1.5), {"seed": 1})
    whole = path.read_bytes()
    np.savez(tmp_path / "list.npz", head=np.array("[]"), v0=np.zeros(3))
    np.savez(tmp_path / "fewer.npz", head=np.load(path)["head"])
    others = ((tmp_path / name).read_bytes() for name in ("list.npz", "fewer.npz"))
    for damaged in (b"", b"no checkpoint", whole[: len(whole) // 2], *others):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"c\.npz is damaged; delete it to begin anew"):
            load_checkpoint(path, [variable], {"seed": 1})
