"""Average two FP32 models of one cfg: python tools/average_models.py FIRST.onnx SECOND.onnx --out FILE.onnx

A model and what a further training made of it often average to one that knows what both know (WiSE-FT:
Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022). Both are what `convert onnx` writes.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def average(first: onnx.ModelProto, second: onnx.ModelProto, share: float) -> onnx.ModelProto:
    """`share` of the second's kernels and biases, the rest of the first's; ValueError if the two differ."""
    mixed = onnx.ModelProto()
    mixed.CopyFrom(second)
    for one, other in zip(first.graph.initializer, mixed.graph.initializer, strict=True):
        old, new = numpy_helper.to_array(one), numpy_helper.to_array(other)
        is_mixed = old.dtype == new.dtype == np.float32
        if (one.name, old.shape) != (other.name, new.shape) or not (is_mixed or np.array_equal(old, new)):
            raise ValueError(f"expected {one.name} {old.shape} of the same cfg, got {other.name} {new.shape}")
        if is_mixed:
            other.CopyFrom(numpy_helper.from_array((1 - share) * old + share * new, other.name))
    return mixed


def main() -> None:
    """Write the average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs=2, type=Path, metavar="FILE.onnx")
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    first, second = (onnx.load(path) for path in asked.models)
    onnx.save(average(first, second, asked.share), asked.out)


if __name__ == "__main__":
    main()
