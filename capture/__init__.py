"""Frames from a screen, a window or a recording, each stamped when its pixels were taken."""
