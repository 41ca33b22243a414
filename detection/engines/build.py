"""An ONNX file to a TensorRT engine, or the one that was made before."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from capture.errors import UserError
from capture.files import replacing
from detection.boxes import SizeWH
from detection.engines.cuda import Card
from detection.engines.engine import Engine, EngineKey, read_engine, write_engine
from detection.engines.graph import (
    Precision,
    choose_precision,
    find_precision,
    to_float,
    to_half,
    to_symmetric,
)
from detection.engines.runtimes import Runtime
from detection.onnx_file import read_metadata, read_onnx
from detection.signature import ImageInput, Signature, Tensor, read_image_input

Say = Callable[[str], None]
# What TensorRT has kernels of halves for.
COMPUTING = ("CONVOLUTION", "ACTIVATION", "ELEMENTWISE", "UNARY", "POOLING", "CONCATENATION", "RESIZE")


@dataclass(frozen=True, slots=True)
class Order:
    """An engine that is asked for.

    title: the model as the user calls it. onnx: the model as TensorRT takes it. inputs, outputs: the names
    of its tensors. signature: the model's own.
    """

    title: str
    onnx: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    signature: Signature
    image: ImageInput
    key: EngineKey


def place_order(
    path: Path,
    title: str,
    runtime: Runtime,
    card: Card | None,
    precision: Precision | None = None,
    capabilities: Sequence[str] = (),
    size_wh: SizeWH | None = None,
) -> Order:
    """What to build from an ONNX file; the card's own capability if none is named.

    UserError for a file that is no ONNX, an input that is no image, and a precision that cannot be made of
    the file.
    """
    model = read_onnx(path, "building an engine", "tensorrt-rtx")
    signature = read_signature(model)
    image = read_image_input(signature, size_wh)
    if not capabilities:
        assert card is not None, "a caller names capabilities where there is no card"
        capabilities = (card.capability,)
    chosen = choose_precision(model, precision, title)
    content = prepare(model, chosen, runtime.is_strictly_typed).SerializeToString()
    key = EngineKey(
        sha256(content).hexdigest(),
        chosen,
        image.size_wh,
        runtime.name,
        runtime.version,
        tuple(sorted(set(capabilities), key=float)),
        card.name if card is not None and runtime.name == "classic" else "",
    )
    inputs, outputs = (tuple(value.name for value in side) for side in list_tensors(model))
    return Order(title, content, inputs, outputs, signature, image, key)


def find_engine(order: Order, runtime: Runtime, folder: Path, say: Say) -> tuple[Path, bool]:
    """The kept engine file of an order, and whether it had to be built now; `say` is told before that."""
    path = folder / f"{Path(order.title).stem}-{order.key.precision}-{order.key.digest}.engine"
    if path.is_file():
        with suppress(UserError):  # a damaged or older one is built anew
            read_engine(path)
            return path, False
    wait = "this takes minutes, once" if runtime.name == "classic" else "once"
    say(f"building the {order.key.precision} engine of {order.title} for {runtime}: {wait}")
    return write_engine(build_engine(order, runtime, folder), path), True


def build_engine(order: Order, runtime: Runtime, folder: Path | None = None) -> Engine:
    """Build an engine; classic TensorRT's timings of this card are kept in `folder` for the next one.

    UserError, in TensorRT's own words, for what it cannot build.
    """
    builder = _open_builder(order, runtime)
    network, parser = _parse(builder, order, runtime)
    config = _configure(builder, order.key, runtime)
    if order.key.precision == "fp16" and not runtime.is_strictly_typed:
        _insist_on_halves(network, config, runtime.api)
    timings = folder / f"timings-{order.key.timings_digest}.cache" if folder else None
    if runtime.name == "classic":  # RTX does not time what it builds from
        known = timings.read_bytes() if timings and timings.is_file() else b""
        cache = config.create_timing_cache(known)
        config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    del parser  # it owns the weights that the network points to until here
    if plan is None:
        raise UserError(f"{runtime} cannot build {order.title}: {runtime.take_complaint()}")
    if runtime.name == "classic" and timings:
        with replacing(timings) as file:
            file.write(bytes(cache.serialize()))
    metadata = {**order.signature.metadata, "precision": order.key.precision}
    image = Tensor(order.image.type, order.image.shape)
    signature = Signature((image,), order.signature.outputs, metadata)
    return Engine(order.key, order.title, order.inputs, order.outputs, signature, bytes(plan))


def prepare(model: Any, precision: Precision, is_strictly_typed: bool) -> Any:
    """An ONNX model as TensorRT takes it in a precision; strict types want the halves in the file."""
    if precision == "int8":
        return to_symmetric(model)
    floats = to_float(model) if find_precision(model) == "int8" else model
    if precision == "fp16" and is_strictly_typed and find_precision(floats) == "fp32":
        return to_half(floats)
    return floats


def read_signature(model: Any) -> Signature:
    """The inputs, outputs and metadata of an ONNX model."""
    inputs, outputs = (_read_tensors(side) for side in list_tensors(model))
    return Signature(inputs, outputs, read_metadata(model))


def list_tensors(model: Any) -> tuple[list[Any], list[Any]]:
    """What a model takes and gives; old files count their weights as inputs."""
    weights = {value.name for value in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights], list(model.graph.output)


def _open_builder(order: Order, runtime: Runtime) -> Any:
    try:
        builder = runtime.api.Builder(runtime.log)
    except TypeError as error:  # how classic TensorRT says that it can use no card
        raise UserError(f"{runtime} does not start here: {runtime.take_complaint()}") from error
    precision = order.key.precision
    # TensorRT 11 and RTX have dropped the question: every card of theirs is fast at both.
    if precision != "fp32" and not getattr(builder, f"platform_has_fast_{precision}", True):
        raise UserError(f"expected a card that is fast at {precision}, got an {order.key.gpu}; use fp32")
    return builder


def _parse(builder: Any, order: Order, runtime: Runtime) -> tuple[Any, Any]:
    """The network and its parser, with the size of the image settled."""
    api = runtime.api
    flag = "STRONGLY_TYPED" if runtime.is_strictly_typed else "EXPLICIT_BATCH"
    # Since TensorRT 10 batches are always explicit.
    named = getattr(api.NetworkDefinitionCreationFlag, flag, None)
    network = builder.create_network(0 if named is None else 1 << int(named))
    parser = api.OnnxParser(network, runtime.log)
    if not parser.parse(order.onnx):
        why = " ".join(parser.get_error(0).desc().split())
        raise UserError(f"{runtime} cannot read {order.title}: {why}")
    network.get_input(0).shape = order.image.shape
    shapes = [network.get_output(index).shape for index in range(network.num_outputs)]
    if any(size < 0 for shape in shapes for size in shape):
        raise UserError(f"expected outputs of fixed sizes in {order.title}, got {order.signature}")
    return network, parser


def _configure(builder: Any, key: EngineKey, runtime: Runtime) -> Any:
    api, config = runtime.api, builder.create_builder_config()
    if runtime.name == "rtx":
        config.num_compute_capabilities = len(key.capabilities)
        for index, capability in enumerate(key.capabilities):
            named = getattr(api.ComputeCapability, "SM" + capability.replace(".", ""))
            config.set_compute_capability(named, index)
        return config
    # TensorRT's own convolutions: cuDNN and cuBLAS would have to be there whenever the engine runs.
    own = ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
    sources = (getattr(api.TacticSource, name) for name in own if hasattr(api.TacticSource, name))
    config.set_tactic_sources(sum(1 << int(source) for source in sources))
    if not runtime.is_strictly_typed and key.precision != "fp32":
        config.set_flag(api.BuilderFlag.FP16)
        if key.precision == "int8":  # what is not quantized computes in FP16
            config.set_flag(api.BuilderFlag.INT8)
    return config


def _insist_on_halves(network: Any, config: Any, api: Any) -> None:
    """No floats up to the last convolution: TensorRT would compile and time kernels for them too."""
    config.set_flag(api.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    kinds = [getattr(api.LayerType, name) for name in COMPUTING]
    convolutions = [index for index, layer in enumerate(layers) if layer.type == api.LayerType.CONVOLUTION]
    for layer in layers[: max(convolutions, default=-1) + 1]:
        given = [layer.get_input(index) for index in range(layer.num_inputs)]
        floats = all(tensor is None or tensor.dtype == api.DataType.FLOAT for tensor in given)
        if layer.type in kinds and floats:
            layer.precision = api.DataType.HALF


def _read_tensors(values: Sequence[Any]) -> tuple[Tensor, ...]:
    import onnx

    kinds = [value.type.tensor_type for value in values]
    return tuple(
        Tensor(
            onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
            tuple(dim.dim_value or None for dim in kind.shape.dim),
        )
        for kind in kinds
    )
