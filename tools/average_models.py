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
    kernels = {tensor.name: numpy_helper.to_array(tensor) for tensor in first.graph.initializer}
    mixed = onnx.ModelProto()
    mixed.CopyFrom(second)
    for tensor in mixed.graph.initializer:
        one, other = kernels[tensor.name], numpy_helper.to_array(tensor)
        if one.shape != other.shape:
            raise ValueError(f"expected {tensor.name} of {one.shape}, got {other.shape}")
        if other.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array((1 - share) * one + share * other, tensor.name))
    return mixed


def main() -> None:
    """Write the average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs=2, type=Path, metavar="FILE.onnx")
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    onnx.save(average(*(onnx.load(path) for path in asked.models), asked.share), asked.out)


if __name__ == "__main__":
    main()
