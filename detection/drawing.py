"""Boxes, names and trails drawn into BGR pictures."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Pixels
from detection.detections import Detections

Colour = tuple[int, int, int]

COLOURS_BGR = ((60, 220, 60), (60, 160, 255), (255, 140, 60), (80, 80, 255), (230, 80, 230), (220, 220, 60))
GOLDEN_RATIO = 0.618034
TRAIL_NS = 600_000_000
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_detections(
    pixels: Pixels,
    detections: Detections,
    class_names: tuple[str, ...],
    identities: Sequence[int] | None = None,
) -> Pixels:
    """A BGR copy of an image (H, W, 3 or 4) with each box, its class and its confidence in per cent.

    Colours are of the classes, or, with `identities` (N,), of those, and then their numbers are written.
    """
    is_bgra = pixels.shape[2] == 4
    picture = cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR) if is_bgra else pixels.copy()
    height, width = picture.shape[:2]
    thickness = max(1, round(height / 300))
    font_scale = max(0.4, height / 1000)
    # Least confident first, so that the surest box lies on top.
    for index in reversed(range(len(detections))):
        class_id = int(detections.class_id[index])
        colour = COLOURS_BGR[class_id % len(COLOURS_BGR)]
        number = ""
        if identities is not None:
            colour, number = choose_colour(identities[index]), f"#{identities[index]} "
        left, top, _, bottom = draw_box(picture, detections.xyxy_px[index], colour, thickness)
        label = f"{number}{class_names[class_id]} {100 * detections.confidence[index]:.0f}%"
        (text_width, text_height), below = cv2.getTextSize(label, FONT, font_scale, 1)
        line = text_height + below + 2
        label_top = top - line if top >= line else min(bottom, height - line)
        label_left = max(0, min(left, width - text_width - 4))
        corner = (label_left + text_width + 4, label_top + line)
        cv2.rectangle(picture, (label_left, label_top), corner, colour, cv2.FILLED)
        origin = (label_left + 2, label_top + text_height + 1)
        cv2.putText(picture, label, origin, FONT, font_scale, (0, 0, 0), 1, cv2.LINE_AA)
    return picture.astype(np.uint8, copy=False)


def draw_box(
    picture: Pixels, xyxy: NDArray[np.float32], colour: Colour, thickness: int
) -> tuple[int, int, int, int]:
    """Draw a box (4,) into a BGR picture; returns its corners, rounded to whole pixels."""
    left, top, right, bottom = (round(float(value)) for value in xyxy)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness)
    return left, top, right, bottom


def choose_colour(identity: int) -> Colour:
    """A bright BGR colour of a number; neighbouring numbers are far apart on the colour wheel."""
    hue = identity * GOLDEN_RATIO % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


class Trails:
    """Where in the picture each identity was during the last TRAIL_NS."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._centres: dict[int, list[tuple[int, int, int]]] = {}  # (time, x, y), oldest first

    def extend(self, captured_ns: int, detections: Detections, identities: Sequence[int]) -> None:
        """Enter the centres of one frame's boxes, and forget what is old."""
        for (left, top, right, bottom), identity in zip(detections.xyxy_px.tolist(), identities, strict=True):
            centre = (captured_ns, round((left + right) / 2), round((top + bottom) / 2))
            self._centres.setdefault(identity, []).append(centre)
        self._now_ns, oldest_ns = captured_ns, captured_ns - TRAIL_NS
        kept = {
            identity: [centre for centre in centres if centre[0] >= oldest_ns]
            for identity, centres in self._centres.items()
        }
        self._centres = {identity: centres for identity, centres in kept.items() if centres}

    def draw(self, picture: Pixels) -> None:
        """Draw the trails of what was in the last frame into its BGR picture."""
        for identity, centres in self._centres.items():
            if centres[-1][0] != self._now_ns:
                continue
            points = np.array([centre[1:] for centre in centres], np.int32)
            cv2.polylines(picture, [points], False, choose_colour(identity), 1, cv2.LINE_AA)
            cv2.circle(picture, points[-1].tolist(), 2, choose_colour(identity), cv2.FILLED, cv2.LINE_AA)
