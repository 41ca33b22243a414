"""What the modules here share that are run by themselves: --seeds and --json."""

import argparse
import json
from collections.abc import Callable
from typing import Any


def run_script(
    about: str | None, run: Callable[[int], dict[str, Any]], print_table: Callable[[dict[str, Any]], None]
) -> None:
    """The command line: `run` with the number of seeds, as JSON or as a table."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    result = run(asked.seeds)
    if asked.json:
        print(json.dumps(result))
    else:
        print_table(result)
