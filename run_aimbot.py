#!/usr/bin/env python3
"""Command line of the aim assistant: `python run_aimbot.py --help`."""

from aimbot.cli import main

if __name__ == "__main__":
    main()
