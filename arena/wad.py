"""Doom's WAD files: the lumps of a map, read and written.

Format: the Unofficial Doom Specs 1.666 (Matthew Fell), chapters 2 and 4.
"""

import struct
from pathlib import Path

import numpy as np

MAP_LUMPS = (
    "THINGS",
    "LINEDEFS",
    "SIDEDEFS",
    "VERTEXES",
    "SEGS",
    "SSECTORS",
    "NODES",
    "SECTORS",
    "REJECT",
    "BLOCKMAP",
)
THING = np.dtype([("x", "<i2"), ("y", "<i2"), ("angle", "<i2"), ("type", "<i2"), ("flags", "<i2")])
LINEDEF = np.dtype([("rest", "V10"), ("right", "<u2"), ("left", "<u2")])
SIDEDEF = np.dtype(
    [("offset", "<i2", 2), ("upper", "S8"), ("lower", "S8"), ("middle", "S8"), ("sector", "<u2")]
)
SECTOR = np.dtype(
    [("height", "<i2", 2), ("floor", "S8"), ("ceiling", "S8"), ("light", "<i2"), ("rest", "V4")]
)
NO_SIDE = 0xFFFF

MapLumps = dict[str, bytes]


def read_map(wad: Path, name: str) -> MapLumps:
    """The lumps of one map by name; ValueError if the file is no WAD or lacks the map."""
    with wad.open("rb") as stream:
        magic, count, directory = struct.unpack("<4sii", stream.read(12))
        if magic not in (b"IWAD", b"PWAD"):
            raise ValueError(f"expected a WAD file, {wad} begins with {magic!r}")
        stream.seek(directory)
        entries = [struct.unpack("<ii8s", stream.read(16)) for _ in range(count)]
        names = [entry[2].rstrip(b"\0").decode("ascii") for entry in entries]
        if name not in names:
            raise ValueError(f"expected a map {name} in {wad}, found none")
        first = names.index(name) + 1
        lumps: MapLumps = {}
        for (offset, size, _), lump in zip(entries[first:], names[first:], strict=True):
            if lump not in MAP_LUMPS:
                break
            stream.seek(offset)
            lumps[lump] = stream.read(size)
    return lumps


def write_wad(path: Path, lumps: list[tuple[str, bytes]]) -> None:
    """A PWAD of the lumps, in order."""
    directory, offset = b"", 12
    for name, content in lumps:
        directory += struct.pack("<ii8s", offset, len(content), name.encode("ascii"))
        offset += len(content)
    header = struct.pack("<4sii", b"PWAD", len(lumps), offset)
    path.write_bytes(header + b"".join(content for _, content in lumps) + directory)
