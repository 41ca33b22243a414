"""YOLO detection: a frame in, boxes in that frame's pixels out."""
