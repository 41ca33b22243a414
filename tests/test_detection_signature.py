"""What a model takes, told from its declared inputs and its metadata."""

import pytest

from capture.errors import UserError
from detection.signature import ImageInput, Signature, Tensor, read_image_input

ANY = (None, 3, None, None)
OUTPUT = (Tensor("float32", (1, 84, None)),)


def make_signature(*inputs: Tensor, **metadata: str) -> Signature:
    return Signature(inputs, OUTPUT, metadata)


def test_captured_pixels_and_planes_of_floats_are_told_apart() -> None:
    ours = read_image_input(make_signature(Tensor("uint8", (1, 32, 64, 3))))
    theirs = read_image_input(make_signature(Tensor("float16", (1, 3, 32, 64))))
    assert (ours, ours.is_planar, ours.shape) == (ImageInput("uint8", (64, 32)), False, (1, 32, 64, 3))
    assert (theirs, theirs.is_planar, theirs.shape) == (ImageInput("float16", (64, 32)), True, (1, 3, 32, 64))


@pytest.mark.parametrize(
    ("imgsz", "chosen", "expected"),
    [
        ("[384, 640]", None, (640, 384)),
        ("(384, 640)", None, (640, 384)),
        ("320", None, (320, 320)),
        ("[384, 640]", (320, 256), (320, 256)),
        (None, (320, 256), (320, 256)),
    ],
)
def test_a_model_of_any_size_takes_the_chosen_one_or_the_exported_one(
    imgsz: str | None, chosen: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    metadata = {"imgsz": imgsz} if imgsz else {}
    taken = read_image_input(make_signature(Tensor("float32", ANY), **metadata), chosen)
    assert taken.size_wh == expected


@pytest.mark.parametrize("imgsz", [None, "__import__('os').getcwd()", "[384]", "[" * 10_000])
def test_a_model_of_any_size_without_a_usable_one_asks_for_it(imgsz: str | None) -> None:
    metadata = {"imgsz": imgsz} if imgsz else {}
    with pytest.raises(UserError, match=r"input float32 \(\?, 3, \?, \?\).* --set detector\.input_px="):
        read_image_input(make_signature(Tensor("float32", ANY), **metadata))


@pytest.mark.parametrize(
    ("stride", "chosen", "message"),
    [
        ("32", (640, 400), "multiples of 32, got [640, 400]"),
        ("64", (640, 352), "multiples of 64"),
        ("junk", (640, 400), "multiples of 32"),
        ("32", (0, 32), "multiples of 32"),
    ],
)
def test_a_chosen_size_fits_the_stride(stride: str, chosen: tuple[int, int], message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_image_input(make_signature(Tensor("float32", ANY), stride=stride), chosen)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("uint8", (1, 32, 64, 3)),
        Tensor("float32", (1, 3, 32, 64)),
        Tensor("float32", (1, 3, None, 64)),
    ],
)
def test_a_model_of_one_size_refuses_another(tensor: Tensor) -> None:
    assert read_image_input(make_signature(tensor), (64, 32)).size_wh == (64, 32)
    with pytest.raises(UserError) as caught:
        read_image_input(make_signature(tensor), (32, 32))
    assert f"input_px to fit the model, got [32, 32]: input {tensor}" in str(caught.value)


def test_a_model_of_one_size_needs_no_multiple_of_a_stride() -> None:
    assert read_image_input(make_signature(Tensor("float32", (1, 3, 30, 50)))).size_wh == (50, 30)


@pytest.mark.parametrize(
    "inputs",
    [
        (Tensor("float32", (1, 1, 28, 28)),),
        (Tensor("float32", (4, 3, 32, 32)),),
        (Tensor("float32", (1, 32, 32, 3)),),
        (Tensor("int64", (1, 77)),),
        (Tensor("float32", ANY), Tensor("float32", (1, 2))),
    ],
)
def test_a_model_of_something_else_is_refused_with_its_shapes(inputs: tuple[Tensor, ...]) -> None:
    with pytest.raises(UserError) as caught:
        read_image_input(make_signature(*inputs))
    assert all(str(tensor) in str(caught.value) for tensor in (*inputs, *OUTPUT))
    assert "\n" not in str(caught.value)
