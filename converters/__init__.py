"""Offline conversion: models in, models out."""
