"""Training that starts from a model whose batch norms were folded away."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_helpers import TINY_CFG, write_coco

from capture.errors import UserError
from detection.darknet import DarknetConfig, parse_cfg
from detection.network import build_network
from detection.training.transfer import measure_norms

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3)).astype(np.uint8)
IMAGES = PIXELS[..., ::-1].astype(np.float32) / 255


@pytest.fixture
def config() -> DarknetConfig:
    return parse_cfg(TINY_CFG)


@pytest.fixture
def folded(config: DarknetConfig) -> Any:
    """A network as `convert darknet` gives it back: its norms change nothing but add a bias."""
    network = build_network(config)
    rng = np.random.default_rng(1)
    for index in (0, 1):
        width = network.get_layer(f"bn_{index}").gamma.shape[0]
        beta = rng.normal(0, 0.5, width)
        network.get_layer(f"bn_{index}").set_weights(
            [np.ones(width), beta, np.zeros(width), np.full(width, 1 - 1e-5)]
        )
    return network


def test_measured_norms_leave_the_heads_as_they_were(config: DarknetConfig, folded: Any) -> None:
    before = np.asarray(folded(IMAGES, training=False)[0])
    assert measure_norms(folded, config, PIXELS) == 2
    np.testing.assert_allclose(np.asarray(folded(IMAGES, training=False)[0]), before, atol=2e-5)


def test_training_begins_where_inference_is_and_would_not_without(config: DarknetConfig, folded: Any) -> None:
    wanted = np.asarray(folded(IMAGES, training=False)[0])
    unmeasured = np.asarray(folded(IMAGES, training=True)[0])  # also moves the norms' averages a little
    for index in (0, 1):
        gamma, beta, mean, _ = folded.get_layer(f"bn_{index}").get_weights()
        folded.get_layer(f"bn_{index}").set_weights([gamma, beta, mean * 0, gamma * 0 + 1 - 1e-5])
    measure_norms(folded, config, PIXELS)
    measured = np.asarray(folded(IMAGES, training=True)[0])
    scale = np.abs(wanted).max()
    assert np.abs(measured - wanted).max() < 0.01 * scale
    assert np.abs(unmeasured - wanted).max() > 0.1 * scale


def test_a_network_that_kept_its_norms_is_left_alone(config: DarknetConfig) -> None:
    network = build_network(config)
    for index in (0, 1):
        norm = network.get_layer(f"bn_{index}")
        norm.set_weights([weights + 0.5 for weights in norm.get_weights()])
    before = network.get_weights()
    assert measure_norms(network, config, PIXELS) == 0
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_by_name_brings_its_cfg_for_the_classes_of_the_data(tmp_path: Path) -> None:
    from aimbot.commands.models import plan_training
    from detection.darknet import read_cfg

    data = write_coco(tmp_path / "set", [[[8, 12, 16, 24]]])
    coco = (data / "annotations.json").read_text()
    (data / "annotations.json").write_text(
        coco.replace('[{"id": 7,', '[{"id": 3, "name": "medic"}, {"id": 7,')
    )
    settings, inputs = plan_training([data], None, "doom-nano", tmp_path / "new/mine.weights", seed=4)
    assert settings.cfg == tmp_path / "new" / "mine.cfg"
    assert inputs.frames.class_names == ("medic", "monster")
    assert [head.classes for head in read_cfg(settings.cfg).heads] == [2, 2, 2]
    assert settings.init is not None
    assert settings.init.is_file()
    assert settings.seed == 4


def test_a_cfg_of_the_users_is_not_replaced(tmp_path: Path) -> None:
    from aimbot.commands.models import plan_training

    data = write_coco(tmp_path / "set", [[[8, 12, 16, 24]]])
    (tmp_path / "mine.cfg").write_text("mine")
    with pytest.raises(UserError, match=r"expected no other cfg in .*mine\.cfg"):
        plan_training([data], None, "doom-nano", tmp_path / "mine.weights")
    assert (tmp_path / "mine.cfg").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.cfg", "set"]


def test_a_mistake_leaves_no_files(tmp_path: Path) -> None:
    from aimbot.commands.models import plan_training

    data = write_coco(tmp_path / "set", [[[8, 12, 16, 24]]])
    missing = tmp_path / "missing"
    for source, out, cfg, validation in (
        (missing, "mine.weights", None, None),
        (missing, "mine.txt", None, None),
        (data, "mine.weights", missing, None),
        (data, "mine.weights", None, missing),
        (data, "mine.weights", Path(__file__).parents[1] / "configs" / "yolov4-tiny.cfg", None),
    ):
        with pytest.raises(UserError):
            plan_training([source], cfg, "doom-nano", tmp_path / out, validation=validation)
    assert list(tmp_path.iterdir()) == [data]


def test_a_backbone_file_is_darknets_whatever_its_name(tmp_path: Path) -> None:
    from aimbot.commands.models import plan_training

    backbone = tmp_path / "yolov4.conv.137"
    backbone.write_bytes(b"weights")
    data, cfg = write_coco(tmp_path / "set", [[[8, 12, 16, 24]]]), tmp_path / "a.cfg"
    cfg.write_text(TINY_CFG)
    settings, _ = plan_training([data], cfg, str(backbone), tmp_path / "a.weights")
    assert settings.init == backbone
