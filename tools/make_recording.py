"""Make the shipped recording from a demo: `python tools/make_recording.py runs/… arena/recording`.

The pixels become lossy and small (H.264, by the ffmpeg program); the rows stay as they were recorded, so
that the aim is replayed exactly. The recording begins with the session, for so does the state of the aim.
"""

import argparse
import json
import subprocess
from itertools import islice
from pathlib import Path

from capture.session import HEADER, ROWS, read_session, segment_name


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=480)
    parser.add_argument("--crf", type=int, default=33)
    arguments = parser.parse_args()
    session = read_session(arguments.run / "session")
    rows = session.rows[: arguments.frames]
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    summary = json.loads((arguments.run / "summary.json").read_text())
    header = {
        **session.header,
        "segment_frames": len(rows),
        "suffix": ".mkv",
        "codec": "h264",
        "summary": summary,
    }
    (out / HEADER).write_text(json.dumps(header, indent=1))
    (out / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    region = rows[0]["region"]
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-r", "35"]
    command += ["-s", f"{region[2]}x{region[3]}", "-i", "-", "-c:v", "libx264", "-preset", "slow"]
    command += ["-crf", str(arguments.crf), "-pix_fmt", "yuv420p", str(out / segment_name(0))]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert encoder.stdin
    for frame in islice(session.iterate_frames(), len(rows)):
        encoder.stdin.write(frame.pixels.tobytes())
    encoder.stdin.close()
    if encoder.wait() != 0:
        raise SystemExit("ffmpeg failed")


if __name__ == "__main__":
    main()
