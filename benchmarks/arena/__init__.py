"""The live score: players in a real game, beside an oracle that knows what the game knows."""
