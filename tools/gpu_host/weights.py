"""Darknet weights in 15 pieces that compress, for a way home that takes small files alone.

weights.py pack FILE.weights DIR      rounds the weights to 10 bits of mantissa, in place too
weights.py unpack DIR FILE.weights
weights.py untrained CFG FILE.weights     as Keras makes them: to time tactics while others are trained
"""

import lzma
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

HEAD_BYTES = 20
PIECES = 15
CUT_BITS = 13


def pack(path: Path, folder: Path) -> None:
    """The bytes of a float lie in planes: the sign and the exponent compress, the mantissa does not."""
    raw = path.read_bytes()
    bits = np.frombuffer(raw[HEAD_BYTES:], np.uint32).astype(np.uint64)
    bits = ((bits + (1 << CUT_BITS - 1)) >> CUT_BITS << CUT_BITS).astype(np.uint32)
    path.write_bytes(raw[:HEAD_BYTES] + bits.tobytes())
    planes = (
        (bits >> 24).astype(np.uint8),
        (bits >> 16).astype(np.uint8),
        (bits >> CUT_BITS & 7).astype(np.uint8),
    )
    pieces = zip(*(np.array_split(plane, PIECES) for plane in planes), strict=True)
    with ThreadPoolExecutor() as pool:
        for number, data in enumerate(pool.map(compress, (np.concatenate(piece) for piece in pieces))):
            (folder / f"{number:02d}.xz").write_bytes(data)
    (folder / "head").write_bytes(raw[:HEAD_BYTES])


def compress(piece: "np.ndarray") -> bytes:
    """By xz, quickly."""
    return lzma.compress(piece.tobytes(), preset=1)


def unpack(folder: Path, path: Path) -> None:
    """The file as `pack` left it."""
    whole = [(folder / "head").read_bytes()]
    for number in range(PIECES):
        piece = np.frombuffer(lzma.decompress((folder / f"{number:02d}.xz").read_bytes()), np.uint8)
        high, middle, low = piece.reshape(3, -1).astype(np.uint32)
        whole.append((high << 24 | middle << 16 | low << CUT_BITS).tobytes())
    path.write_bytes(b"".join(whole))


def untrained(cfg: Path, path: Path) -> None:
    """Weights of a cfg before any training."""
    from detection.darknet import read_cfg
    from detection.network import build_network
    from detection.weights import save_weights

    config = read_cfg(cfg)
    save_weights(build_network(config), config, path)


if __name__ == "__main__":
    commands = {"pack": pack, "unpack": unpack, "untrained": untrained}
    commands[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
