"""A real game (ViZDoom) to train, demonstrate and score in."""
