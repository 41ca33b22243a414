"""Aim in a simulated game, beside an oracle and the usual laws."""
