"""The comparison of heads that stands between a conversion and its file."""

import numpy as np
import pytest

from capture.errors import UserError
from converters.heads import check_heads

HEADS = [np.array([[1.0, -4.0]], np.float32), np.array([[100.0]], np.float32)]


def test_heads_may_differ_by_a_thousandth_of_their_largest_value() -> None:
    check_heads("the copy", [HEADS[0] + 0.0039, HEADS[1] - 0.099], HEADS)


@pytest.mark.parametrize("change", [(0.0041, 0), (0, 0.11), (np.nan, 0), (0, np.nan)])
def test_one_head_that_differs_more_is_refused(change: tuple[float, float]) -> None:
    got = [head + np.float32(step) for head, step in zip(HEADS, change, strict=True)]
    with pytest.raises(UserError, match=r"expected the copy and its cfg's network to agree within 0\.001"):
        check_heads("the copy", got, HEADS)
