"""Measures how a running game turns counts into picture motion: sensitivity, field of view, latency."""
