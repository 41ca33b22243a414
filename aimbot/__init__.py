"""Choose a target, steer to it, and move the mouse inside a safety envelope."""
