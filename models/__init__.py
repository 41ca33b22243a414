"""The shipped detectors: one folder a model, with its cfg, class names and model card."""
