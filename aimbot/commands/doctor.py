"""`doctor`: what this machine has, and what mends what it lacks."""

import importlib.util
import os
import shutil
import sys
from contextlib import closing
from typing import Any

from aimbot.protected import find_protection, list_processes
from capture.clock import monotonic_ns
from capture.errors import UserError
from detection.detector import DetectorSettings, model_names, open_detector


def diagnose() -> dict[str, Any]:
    """The JSON object of `doctor`: checks with what was found and what mends it."""
    display, capture = _check_display()
    protection = find_protection(list_processes())
    version = ".".join(map(str, sys.version_info[:3]))
    checks = [
        _check("python", (3, 11) <= sys.version_info[:2] <= (3, 13), version, "use Python 3.11 to 3.13"),
        display,
        _check(
            "xvfb", shutil.which("Xvfb") is not None, shutil.which("Xvfb") or "none", "apt-get install xvfb"
        ),
        _check(
            "anti-cheat", protection is None, protection or "none", "close it: protected games are refused"
        ),
        _check("models", bool(model_names()), ", ".join(model_names()) or "none", "reinstall the package"),
    ]
    for package, extra in (("vizdoom", "demo"), ("faster_coco_eval", "evaluate"), ("matplotlib", "plots")):
        found = importlib.util.find_spec(package) is not None
        mend = f"pip install 'local-aim-assistant[{extra}]'"
        checks.append(_check(package, found, "installed" if found else "missing", mend))
    backend = "none"
    try:
        detector = open_detector(DetectorSettings())
        backend = f"{detector.backend.name}, {detector.backend.threads} threads"
        detector.close()
        checks.append(_check("detector", True, backend, ""))
    except UserError as error:
        checks.append(_check("detector", False, str(error), "see the message"))
    checks.append(_check_hand())
    return {"checks": checks, "backend": backend, "capture": capture}


def _check(name: str, ok: bool, found: str, mend: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": found, "mend": "" if ok else mend}


def _check_hand() -> dict[str, Any]:
    """Whether the person's own mouse motion can be seen, and of which devices."""
    try:
        from aimbot.hand_x11 import X11Hand

        hand = X11Hand(monotonic_ns)
    except (ImportError, UserError) as error:
        return _check("hand", False, str(error), "use --set hotkeys.follow_hand=false")
    devices = ", ".join(hand.devices)
    hand.close()
    return _check("hand", bool(devices), devices or "no mouse that reports motion", "plug a mouse in")


def _check_display() -> tuple[dict[str, Any], str]:
    """Whether the display can be opened, and what its capture gives."""
    from capture.source import CaptureSettings, open_source

    mend = "set DISPLAY to one that runs, or run under xvfb-run"
    try:
        with closing(open_source(CaptureSettings(), monotonic_ns)) as source:
            frame = source.grab()
    except UserError as error:
        return _check("display", False, str(error), mend), "none"
    capture = f"mss, {frame.size_wh[0]}×{frame.size_wh[1]}" if frame else "no frame"
    return _check("display", True, os.environ.get("DISPLAY", "present"), mend), capture
