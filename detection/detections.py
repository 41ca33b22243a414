"""The record that detection emits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes found in one frame, most confident first.

    xyxy_px: float32 (N, 4), left, top, right, bottom in pixels of the frame.
    confidence: float32 (N,), 0 to 1.
    class_id: int32 (N,), index into the detector's class names.
    """

    xyxy_px: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.xyxy_px)

    def select(self, index: NDArray[np.generic] | slice) -> "Detections":
        """The detections that `index` (a mask, indices or a slice) picks."""
        return Detections(self.xyxy_px[index], self.confidence[index], self.class_id[index])


def no_detections() -> Detections:
    """An empty result: (0, 4), (0,), (0,)."""
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
