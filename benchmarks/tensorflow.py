"""How fast TensorFlow and TF-TRT run SavedModels on the card here: python -m benchmarks.tensorflow DIR …

Prints one JSON object, in the form of benchmarks/tensorrt.py, and writes it to --out after each row. The
environment is that of docs/tf-trt.md.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu import (
    OneLineParser,
    ask_driver,
    check_inputs,
    describe_driver,
    measure_backend,
    print_outcome,
    write_result,
)
from capture.errors import UserError
from detection.backends.tensorflow import TensorFlowBackend


def run(
    models: Sequence[Path],
    images: Path | None = None,
    validation: Path | None = None,
    rounds: int = 2000,
    out: Path | None = None,
) -> dict[str, Any]:
    """Rows of SavedModels, all TensorFlow's own or all TF-TRT's; `images` are pictures to detect on."""
    check_inputs(images, validation, out)
    result: dict[str, Any] = {
        "gpu": ask_driver("name"),
        "compute_capability": ask_driver("compute_cap"),
        "driver": describe_driver(),
        "runtime": "",
        "rounds": rounds,
        "rows": [],
    }
    for path in models:
        backend = TensorFlowBackend(path)
        runtime = name_runtime(backend)
        if result["runtime"] not in ("", runtime):
            raise UserError(f"expected models of {result['runtime']} in one run, got {path} of {runtime}")
        result["runtime"] = runtime
        row = {
            "model": path.name,
            "precision": backend.signature.metadata.get("precision", "fp32"),
            "size": "{}x{}".format(*backend.input_size_wh),
            **measure_backend(backend, str(path), images, validation, rounds),
        }
        result["rows"].append(row)
        print(json.dumps(row), file=sys.stderr)
        write_result(result, out)
        backend.close()
    return result


def name_runtime(backend: TensorFlowBackend) -> str:
    """TF-TRT with the version of its TensorRT, where TF-TRT wrote the model; or TensorFlow with its own."""
    import tensorflow as tf

    version = backend.signature.metadata.get("tensorrt")
    return f"TF-TRT {version}" if version else f"TensorFlow {tf.__version__}"


def main() -> None:
    """The command line."""
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--images", type=Path, help="a folder of pictures to detect on; noise without")
    parser.add_argument("--validation", type=Path, help="labelled images: adds map50")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="a JSON file")
    asked = parser.parse_args()
    files = (asked.images, asked.validation, asked.rounds, asked.out)
    print_outcome(lambda: run(asked.models, *files))


if __name__ == "__main__":
    main()
