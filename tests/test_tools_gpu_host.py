"""What brings weights home from a GPU host."""

import runpy
from pathlib import Path

import numpy as np

from detection.darknet import read_cfg
from detection.weights import read_weights

ROOT = Path(__file__).parents[1]


def test_weights_that_were_cut_into_pieces_come_back_as_they_were_rounded(tmp_path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "gpu_host" / "weights.py"))
    values = np.random.default_rng(1).normal(0, 0.02, 1000).astype(np.float32)
    path, back = tmp_path / "net.weights", tmp_path / "back.weights"
    path.write_bytes(bytes(range(20)) + values.tobytes())
    tool["pack"](path, tmp_path)
    tool["unpack"](tmp_path, back)
    assert back.read_bytes() == path.read_bytes()
    rounded = np.frombuffer(back.read_bytes()[20:], np.float32)
    np.testing.assert_allclose(rounded, values, rtol=2**-11)


def test_untrained_weights_are_those_of_the_cfg(tmp_path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "gpu_host" / "weights.py"))
    cfg, path = ROOT / "configs" / "doom-nano.cfg", tmp_path / "untrained.weights"
    tool["untrained"](cfg, path)
    for layer in read_weights(read_cfg(cfg), path).values():
        assert layer.kernel.std() > 0
        assert layer.norm is None or (layer.norm[2] == 1).all()
