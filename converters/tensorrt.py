"""An ONNX file to a TensorRT engine in a file of its own."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capture.errors import UserError
from capture.files import replacing
from detection.backends.tensorrt import default_folder, say
from detection.engines.build import Say, find_engine, place_order
from detection.engines.cuda import Card, open_card
from detection.engines.graph import Precision
from detection.engines.runtimes import (
    Runtime,
    RuntimeName,
    check_capabilities,
    check_card,
    choose_runtime,
    load_runtime,
)


def convert_tensorrt(
    model: Path,
    title: str,
    out: Path,
    precision: Precision | None = None,
    capabilities: Sequence[str] = (),
    runtime: RuntimeName | None = None,
    cache_dir: Path | None = None,
    tell: Say = say,
) -> dict[str, Any]:
    """Write an engine file and return what it is; one that was built before comes from the cache.

    TensorRT-RTX builds for named compute capabilities without a card; anything else is built for the card
    that is here. `title` is the model as the user calls it. UserError as `place_order` and `build_engine`
    say, and for a card, a driver or a package that is missing, and capabilities that are not to be had.
    """
    chosen, card = _choose(runtime, capabilities)
    order = place_order(model, title, chosen, card, precision, capabilities)
    kept, is_new = find_engine(order, chosen, cache_dir or default_folder(), tell)
    with replacing(out) as copy, kept.open("rb") as engine:
        shutil.copyfileobj(engine, copy)
    return {
        "out": str(out),
        "precision": order.key.precision,
        "runtime": str(chosen),
        "compute_capability": list(order.key.capabilities),
        "gpu": order.key.gpu or None,
        "bytes": out.stat().st_size,
        "built": is_new,
    }


def _choose(name: RuntimeName | None, capabilities: Sequence[str]) -> tuple[Runtime, Card | None]:
    """The TensorRT to build with, and the card if it must be there."""
    if capabilities and name != "classic":
        runtime = load_runtime("rtx")
        check_capabilities(runtime, capabilities)
        return runtime, None
    if name is not None:
        load_runtime(name)  # a missing package is said before a missing card
    try:
        card = open_card()
    except UserError as error:
        raise UserError(f"{error}; `--runtime rtx --compute-capability 8.6` builds without a card") from error
    runtime = load_runtime(name) if name else choose_runtime(card.capability)
    check_card(runtime, card)
    if any(capability != card.capability for capability in capabilities):
        raise UserError(
            f"expected --compute-capability {card.capability}, {runtime} builds for the card here, "
            f"got {', '.join(capabilities)}; --runtime rtx builds for others"
        )
    return runtime, card
