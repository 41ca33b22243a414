"""Inference back ends, one small file each, that know nothing of each other."""
