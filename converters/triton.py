"""A model into a model repository: the folder from which a Triton Inference Server serves.

The layout: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capture.errors import UserError, missing_package
from detection.engines.build import list_tensors, read_signature
from detection.engines.engine import read_engine
from detection.layouts import recognise
from detection.onnx_file import read_onnx
from detection.signature import Signature, Tensor

CONFIG = "config.pbtxt"

# NumPy's names of element types, to those of a configuration.
TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32", "float16": "TYPE_FP16", "int64": "TYPE_INT64"}


def convert_triton(model: Path, name: str, repository: Path) -> dict[str, Any]:
    """Put an .onnx file, or an .engine of classic TensorRT, into a repository under a name.

    Triton hands on no metadata of a model's file, so the cfg and the class names stand in the `parameters`
    of the configuration, where the back end `triton` finds them. A served model of that name is replaced.
    UserError for another kind of file, a model that no decoder knows, and a folder that cannot be written.
    """
    try:
        from google.protobuf import text_format
        from tritonclient.grpc.model_config_pb2 import ModelConfig
    except ImportError as error:
        raise missing_package("convert triton", error.name, "triton") from error
    signature, inputs, outputs = _read(model)
    recognise(signature, model.name)
    backend, file = ("tensorrt", "model.plan") if model.suffix == ".engine" else ("onnxruntime", "model.onnx")
    config = ModelConfig(
        name=name,
        backend=backend,
        input=_describe(inputs, signature.inputs, model),
        output=_describe(outputs, signature.outputs, model),
        instance_group=[{"count": 1}],  # one client, one image at a time
        parameters={key: {"string_value": value} for key, value in signature.metadata.items()},
    )
    folder = repository / name
    if folder.exists() and not (folder / CONFIG).is_file():
        raise UserError(
            f"expected --out to be a new folder, or models of a server, {folder} is none; name another"
        )
    try:
        (folder / "1").mkdir(parents=True, exist_ok=True)
        if backend == "tensorrt":
            (folder / "1" / file).write_bytes(read_engine(model).plan)
        else:
            shutil.copyfile(model, folder / "1" / file)
        (folder / CONFIG).write_text(text_format.MessageToString(config), encoding="utf-8")
    except OSError as error:
        raise UserError(f"expected --out to be a folder to write to, got {repository}: {error}") from error
    return {
        "out": str(folder),
        "backend": backend,
        "serve": f"tritonserver --model-repository={repository}",
        "use": f"run_aimbot.py run --set detector.model=triton://HOST:8001/{name}",
    }


def _read(model: Path) -> tuple[Signature, Sequence[str], Sequence[str]]:
    """What a model says of itself, and the names of its inputs and outputs."""
    if model.suffix == ".engine":
        engine = read_engine(model)
        if engine.key.runtime != "classic":
            raise UserError(
                f"expected an engine of classic TensorRT, which Triton runs, got {model} of TensorRT-RTX; "
                "`run_aimbot.py convert tensorrt --runtime classic` makes one"
            )
        return engine.signature, engine.inputs, engine.outputs
    if model.suffix != ".onnx":
        raise UserError(f"expected a model name, an .onnx or an .engine file, got {model}")
    loaded = read_onnx(model, "convert triton", "triton")
    inputs, outputs = ([tensor.name for tensor in side] for side in list_tensors(loaded))
    return read_signature(loaded), inputs, outputs


def _describe(names: Sequence[str], tensors: Sequence[Tensor], model: Path) -> list[dict[str, Any]]:
    for tensor in tensors:
        if tensor.type not in TYPES:
            raise UserError(f"expected tensors of {', '.join(TYPES)} in {model}, got {tensor}")
    return [
        {"name": name, "data_type": TYPES[tensor.type], "dims": [size or -1 for size in tensor.shape]}
        for name, tensor in zip(names, tensors, strict=True)
    ]
