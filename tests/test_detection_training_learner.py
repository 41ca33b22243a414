"""The compiled step: what is frozen, and where the frames stay."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from training_helpers import TINY_CFG

from detection.darknet import parse_cfg, read_cfg

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

ROOT = Path(__file__).parents[1]


def test_the_backbone_is_what_all_heads_are_built_on() -> None:
    from detection.training.learner import find_backbone

    assert find_backbone(parse_cfg(TINY_CFG)) == {0, 1}
    tiny = find_backbone(read_cfg(ROOT / "configs" / "yolov4-tiny.cfg"))
    assert tiny == set(range(28))


ON_JAX = """
import json, sys
import numpy as np
from detection.darknet import parse_cfg
from detection.training.batches import stream_batches
from detection.training.frames import LabelledFrames
from detection.training.learner import Learner
from detection.training.schedule import make_optimizer
frames = LabelledFrames(np.zeros((40, 64, 64, 3), np.uint8), np.zeros((40, 4, 5), np.float32), ("a",))
learner = Learner(parse_cfg(sys.argv[1]), frames, 4, "mixed_bfloat16")
learner.start("nothing")
learner.compile(make_optimizer(1e-3))
learner.optimizer.build(learner.trainable_variables)
where = learner.frames.value.unsafe_buffer_pointer()
learner.fit(stream_batches(40, 4, 1, 0, lambda _: 0.5), steps_per_epoch=5, epochs=2, shuffle=False, verbose=0)
stayed = learner.frames.value.unsafe_buffer_pointer() == where
print(json.dumps({"stayed": stayed, "steps": int(learner.steps)}))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_on_jax_the_frames_stay_where_they_are_through_all_steps() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ON_JAX, TINY_CFG]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {"stayed": True, "steps": 10}
