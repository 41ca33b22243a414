"""Contact sheets: each mistake a crop with its surroundings, the boxes in it, and a caption."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from capture.errors import UserError
from capture.frame import Pixels
from capture.replay import read_image
from detection.drawing import Colour
from detection.training.mistakes import Kind, Mistake

COLUMNS, TILE_PX, GAP_PX, LINE_PX = 6, 240, 10, 18
CAPTION_LINES = 3
CONTEXT = 2.2  # side of a crop, in longest sides of its box
MIN_CROP_PX = 72.0
KINDS: dict[Kind, tuple[str, Colour]] = {
    "labelled": ("labelled", (70, 230, 70)),
    "predicted": ("predicted", (80, 80, 255)),
    "unsure": ("predicted below the confidence", (60, 190, 255)),
    "region": ("region to ignore", (200, 200, 200)),
}
TEXT_BGR, DIM_BGR, PAPER_BGR = (240, 240, 240), (170, 170, 170), (32, 32, 32)
FONT, FONT_SCALE, TITLE_SCALE, NAME_CHARACTERS = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 0.55, 30


def draw_sheet(mistakes: Sequence[Mistake], title: str, path: Path) -> None:
    """A PNG with a tile for each mistake; UserError if an image cannot be read or the sheet not written."""
    step = TILE_PX + CAPTION_LINES * LINE_PX + GAP_PX
    top = 2 * LINE_PX + 2 * GAP_PX
    lines = -(-len(mistakes) // COLUMNS)
    sheet = np.full((top + lines * step, GAP_PX + COLUMNS * (TILE_PX + GAP_PX), 3), PAPER_BGR, np.uint8)
    _write(sheet, title, (GAP_PX, LINE_PX), TEXT_BGR, sheet.shape[1] - 2 * GAP_PX, TITLE_SCALE)
    left = GAP_PX
    for text, colour in KINDS.values():
        _write(sheet, text, (left, 2 * LINE_PX + 4), colour, sheet.shape[1])
        left += cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0] + 2 * GAP_PX
    for index, mistake in enumerate(mistakes):
        x, y = GAP_PX + index % COLUMNS * (TILE_PX + GAP_PX), top + index // COLUMNS * step
        sheet[y : y + TILE_PX, x : x + TILE_PX] = draw_tile(read_image(mistake.image_path), mistake)
        for line, text in enumerate((_shorten(mistake.image_path.name), *mistake.caption), start=1):
            colour = DIM_BGR if line == 1 else TEXT_BGR
            _write(sheet, text, (x, y + TILE_PX + line * LINE_PX - 4), colour, TILE_PX)
    if not cv2.imwrite(str(path), sheet):
        raise UserError(f"expected to write a picture to {path}, OpenCV cannot; choose another --out")


def draw_tile(image: Pixels, mistake: Mistake) -> Pixels:
    """A square BGR tile (TILE_PX, TILE_PX, 3) around a mistake's box, scaled, with the boxes in it."""
    left, top, width, height = mistake.xywh
    image_height, image_width = image.shape[:2]
    side = min(max(CONTEXT * max(width, height), MIN_CROP_PX), image_width, image_height)
    side = max(side, width, height)
    x0 = _slide(left + width / 2, side, image_width)
    y0 = _slide(top + height / 2, side, image_height)
    scale = TILE_PX / side
    transform = np.array([[scale, 0, -x0 * scale], [0, scale, -y0 * scale]])
    flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    tile = cv2.warpAffine(image, transform, (TILE_PX, TILE_PX), flags=flags, borderValue=PAPER_BGR)
    for kind, xywh in mistake.boxes:
        x, y, w, h = xywh
        corners = [((x - x0) * scale, (y - y0) * scale), ((x + w - x0) * scale, (y + h - y0) * scale)]
        start, end = ((round(across), round(down)) for across, down in corners)
        end = (end[0] - 1, end[1] - 1)  # the last pixel inside, so that an edge at the image's shows
        cv2.rectangle(tile, start, end, KINDS[kind][1], 2 if xywh is mistake.xywh else 1)
    return np.asarray(tile, np.uint8)


def _slide(centre: float, side: float, limit: float) -> float:
    """Where a crop of `side` around `centre` begins, kept inside an image of `limit` pixels if it fits."""
    return max(0.0, min(centre - side / 2, limit - side)) if side <= limit else (limit - side) / 2


def _shorten(name: str) -> str:
    """The file's name, its end kept where it is long."""
    return name if len(name) <= NAME_CHARACTERS else f"...{name[3 - NAME_CHARACTERS :]}"


def _write(
    sheet: Pixels,
    text: str,
    origin: tuple[int, int],
    colour: Colour,
    width_px: int,
    scale: float = FONT_SCALE,
) -> None:
    """Write a line, smaller where it is wider than `width_px`."""
    (width, _), _ = cv2.getTextSize(text, FONT, scale, 1)
    scale *= min(1.0, width_px / max(width, 1))
    cv2.putText(sheet, text, origin, FONT, scale, colour, 1, cv2.LINE_AA)
