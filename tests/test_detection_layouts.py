"""Which decoder a file wants, by its metadata and the shapes of its outputs."""

import pytest
from tiny_detector import TINY_CFG

from capture.errors import UserError
from detection.decode import decode_rows
from detection.decode_ultralytics import decode_anchor_free, decode_objectness
from detection.layouts import recognise
from detection.signature import Shape, Signature, Tensor

IMAGE = Tensor("float32", (1, 3, 640, 640))


def make_signature(*shapes: Shape, classes: int = 80, **metadata: str) -> Signature:
    names = str({index: f"thing {index}" for index in range(classes)})
    outputs = tuple(Tensor("float32", shape) for shape in shapes)
    return Signature((IMAGE,), outputs, {"names": names, **metadata})


@pytest.mark.parametrize(
    ("shape", "classes", "task", "expected"),
    [
        ((1, 25200, 85), 80, None, decode_objectness),
        ((None, None, 85), 80, None, decode_objectness),
        ((1, 25200, 6), 1, None, decode_objectness),
        ((1, 84, 8400), 80, "detect", decode_anchor_free),
        ((1, 84, 8400), 80, None, decode_anchor_free),
        ((None, 84, None), 80, "detect", decode_anchor_free),
        ((1, 84, 84), 80, "detect", decode_anchor_free),  # an image of 64x64
        ((1, 83, 84), 79, "detect", decode_anchor_free),
        ((1, 5, 8400), 1, "detect", decode_anchor_free),
        ((1, 6, 8400), 2, "detect", decode_anchor_free),
        ((1, 300, 6), 80, "detect", decode_rows),
        ((1, 300, 6), 1, "detect", decode_rows),
        ((1, 84, 6), 80, "detect", decode_rows),  # exported with max_det=84
        ((None, None, 6), 2, "detect", decode_rows),
    ],
)
def test_shapes_and_class_names_tell_the_layouts_apart(
    shape: Shape, classes: int, task: str | None, expected: object
) -> None:
    metadata = {"task": task} if task else {}
    layout = recognise(make_signature(shape, classes=classes, **metadata), "a.onnx")
    assert layout.decode is expected
    assert layout.is_suppressed == (expected is decode_rows)
    assert len(layout.class_names) == classes


def test_the_raw_maps_beside_yolov5s_rows_are_left_alone() -> None:
    maps = [(1, 3, side, side, 85) for side in (80, 40, 20)]
    assert recognise(make_signature((1, 25200, 85), *maps), "a.onnx").decode is decode_objectness


@pytest.mark.parametrize(
    ("shapes", "names", "message"),
    [
        ([(1, 1, 2, 14)], "imp", "expected 2 `class_names` in a.onnx, got 1"),
        ([(1, 1, 2, 16)], "imp\nzombie", "output uint8 (1, 1, 2, 16)"),
        ([(1, 14)], "imp\nzombie", "output uint8 (1, 14)"),
        ([(1, 1, 2, 14)] * 2, "imp\nzombie", "(1, 1, 2, 14) and uint8 (1, 1, 2, 14)"),
    ],
)
def test_outputs_that_are_not_those_of_the_cfg_in_the_file_are_refused(
    shapes: list[Shape], names: str, message: str
) -> None:
    metadata = {"darknet_cfg": TINY_CFG, "class_names": names}
    tensors = tuple(Tensor("uint8", shape) for shape in shapes)
    with pytest.raises(UserError) as caught:
        recognise(Signature((), tensors, metadata), "a.onnx")
    assert message in str(caught.value)


@pytest.mark.parametrize("names", ["{1: 'b', 0: 'a'}", "['a', 'b']", "('a', 'b')"])
def test_class_names_are_read_in_the_order_of_their_index(names: str) -> None:
    layout = recognise(Signature((IMAGE,), (Tensor("float32", (1, 6, 8400)),), {"names": names}), "a.onnx")
    assert layout.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (make_signature((1, 116, 8400), (1, 32, 160, 160)), "(1, 116, 8400) and float32 (1, 32, 160, 160)"),
        (make_signature((1, 84, 8400), (1, 32, 160, 160)), "(1, 84, 8400) and float32 (1, 32, 160, 160)"),
        (make_signature((1, 1000)), "output float32 (1, 1000), 80 `names`"),
        (make_signature((8, 84, 8400)), "output float32 (8, 84, 8400), 80 `names`"),
        (make_signature((1, 84, 8400), names="{0: 'a', 2: 'b'}"), "(1, 84, 8400), no `names`"),
        (make_signature((1, 84, 8400), names="open('x')"), "(1, 84, 8400), no `names`"),
        (make_signature((1, 300, 6), task="detect", description="Ultralytics rtdetr-l model"), "(1, 300, 6)"),
    ],
)
def test_unknown_outputs_are_refused_with_the_shapes_and_what_is_known(
    signature: Signature, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        recognise(signature, "a.onnx")
    text = str(caught.value)
    assert "a.onnx: input float32 (1, 3, 640, 640)" in text
    assert message in text
    assert "known are models made by `run_aimbot.py convert onnx`" in text
    assert "\n" not in text


@pytest.mark.parametrize("task", ["segment", "pose", "obb", "classify"])
def test_a_model_of_another_task_is_refused_by_the_tasks_name(task: str) -> None:
    with pytest.raises(UserError, match=f"a model that detects boxes, a.onnx is made to {task}"):
        recognise(make_signature((1, 84, 8400), task=task), "a.onnx")
