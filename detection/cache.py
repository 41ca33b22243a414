"""Where compiled models are kept between runs."""

import os
import sys
from pathlib import Path


def user_cache_dir(platform: str = sys.platform) -> Path:
    """The user's cache folder for this project, by the platform's own convention; it may not exist yet."""
    home = Path.home()
    if platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "local-aim-assistant"
