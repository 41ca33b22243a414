"""Engine files: what an engine was made from and for, beside its plan."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from capture.errors import UserError
from capture.files import replacing
from detection.boxes import SizeWH
from detection.engines.cuda import Card
from detection.engines.graph import Precision
from detection.engines.runtimes import TITLES, Runtime, RuntimeName
from detection.signature import Signature, Tensor

MAGIC = b"local-aim-assistant engine 1\n"


@dataclass(frozen=True, slots=True)
class EngineKey:
    """What must not change under an engine; where it does, another is built.

    model_sha256: of the ONNX as TensorRT is given it. gpu: the card's name; empty for TensorRT-RTX, whose
    engines go to every card of their capabilities.
    """

    model_sha256: str
    precision: Precision
    size_wh: SizeWH
    runtime: RuntimeName
    version: str
    capabilities: tuple[str, ...]
    gpu: str

    @property
    def digest(self) -> str:
        """Names an engine's file by all of it."""
        return _hash(asdict(self))

    @property
    def timings_digest(self) -> str:
        """Names the file of a card's timings, which serve all models."""
        return _hash([self.runtime, self.version, self.gpu, self.capabilities])


@dataclass(frozen=True, slots=True)
class Engine:
    """A plan of TensorRT's, its key, and the model's own signature.

    model: its name, for people. inputs, outputs: the names of its tensors, in the signature's order.
    """

    key: EngineKey
    model: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    signature: Signature
    plan: bytes


def write_engine(engine: Engine, path: Path) -> Path:
    """Write an engine file: a line that names the format, a line of JSON, and the plan as TensorRT gave it.

    One file, so that the plan and what it is for cannot be parted. The folder is made if need be.
    """
    header = {
        "key": asdict(engine.key),
        "plan_bytes": len(engine.plan),
        "model": engine.model,
        "inputs": _describe(engine.inputs, engine.signature.inputs),
        "outputs": _describe(engine.outputs, engine.signature.outputs),
        "metadata": dict(engine.signature.metadata),
    }
    with replacing(path) as file:
        file.write(MAGIC + json.dumps(header).encode() + b"\n" + engine.plan)
    return path


def read_engine(path: Path) -> Engine:
    """An engine file; UserError if it is another kind of file, or damaged."""
    with path.open("rb") as file:
        if file.readline(len(MAGIC)) != MAGIC:
            raise UserError(
                f"expected an engine made by `run_aimbot.py convert tensorrt`, {path} is another kind of file"
            )
        line, plan = file.readline(), file.read()
    try:
        header: dict[str, Any] = json.loads(line)
        if header["plan_bytes"] != len(plan):
            raise ValueError(f"{len(plan)} bytes of plan in place of {header['plan_bytes']}")
        key = header["key"]
        key |= {"size_wh": tuple(key["size_wh"]), "capabilities": tuple(key["capabilities"])}
        inputs, outputs = header["inputs"], header["outputs"]
        signature = Signature(_read_tensors(inputs), _read_tensors(outputs), header["metadata"])
        return Engine(EngineKey(**key), header["model"], tuple(inputs), tuple(outputs), signature, plan)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"expected a whole engine file, {path} is cut off or of an older version; make another"
        ) from error


def check_engine(engine: Engine, source: str, runtime: Runtime, card: Card) -> None:
    """UserError, with the command that makes another, if the engine is not for this TensorRT and card."""
    key = engine.key
    misfit = None
    if key.version != runtime.version:
        misfit = f"was made by {TITLES[key.runtime]} {key.version}, here is {runtime.version}"
    elif card.capability not in key.capabilities:
        misfit = f"was made for compute capability {', '.join(key.capabilities)}, here is {card.capability}"
    elif key.gpu not in ("", card.name):
        misfit = f"was made for an {key.gpu}, here is an {card.name}"
    if misfit:
        raise UserError(
            f"{source} {misfit}; make another: `run_aimbot.py convert tensorrt --model {engine.model} "
            f"--precision {key.precision} --runtime {key.runtime} --out FILE.engine`"
        )


def _hash(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _describe(names: tuple[str, ...], tensors: tuple[Tensor, ...]) -> dict[str, Any]:
    return {
        name: {"type": tensor.type, "shape": tensor.shape}
        for name, tensor in zip(names, tensors, strict=True)
    }


def _read_tensors(described: Mapping[str, Any]) -> tuple[Tensor, ...]:
    return tuple(Tensor(value["type"], tuple(value["shape"])) for value in described.values())
