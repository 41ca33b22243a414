"""Regions and frames."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.frame import Frame, Region

ROOT = Path(__file__).parent.parent

regions = st.builds(
    Region,
    st.integers(-5000, 5000),
    st.integers(-5000, 5000),
    st.integers(1, 5000),
    st.integers(1, 5000),
)
sizes = st.integers(1, 6000)


def contains(outer: Region, inner: Region) -> bool:
    return inner.clamp_to(outer) == inner


@given(regions, regions)
def test_a_clamped_region_lies_in_both(region: Region, bounds: Region) -> None:
    clamped = region.clamp_to(bounds)
    if clamped is not None:
        assert contains(region, clamped)
        assert contains(bounds, clamped)


@given(regions, regions)
def test_clamping_does_not_depend_on_which_of_the_two_is_clamped(region: Region, bounds: Region) -> None:
    assert region.clamp_to(bounds) == bounds.clamp_to(region)


@given(regions, st.integers(0, 4999), st.integers(0, 4999))
def test_clamping_loses_no_pixel_that_both_share(region: Region, right: int, down: int) -> None:
    x, y = region.left_px + right % region.width_px, region.top_px + down % region.height_px
    pixel = Region(x, y, 1, 1)
    bounds = Region(x - 3, y - 2, 10, 10)
    clamped = region.clamp_to(bounds)
    assert clamped is not None
    assert contains(clamped, pixel)


def test_regions_that_only_touch_do_not_overlap() -> None:
    assert Region(0, 0, 10, 10).clamp_to(Region(10, 0, 10, 10)) is None


@given(regions, sizes, sizes)
def test_a_centre_crop_lies_inside_and_has_the_size_asked_for_where_it_fits(
    region: Region, width: int, height: int
) -> None:
    crop = region.crop_centre(width, height)
    assert contains(region, crop)
    assert (crop.width_px, crop.height_px) == (min(width, region.width_px), min(height, region.height_px))


@given(regions, sizes, sizes)
def test_a_centre_crop_has_the_same_centre_within_half_a_pixel(
    region: Region, width: int, height: int
) -> None:
    crop = region.crop_centre(width, height)
    assert abs((2 * crop.left_px + crop.width_px) - (2 * region.left_px + region.width_px)) <= 1
    assert abs((2 * crop.top_px + crop.height_px) - (2 * region.top_px + region.height_px)) <= 1


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_a_region_without_a_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive size"):
        Region(0, 0, *size)


def test_a_frames_size_is_width_then_height() -> None:
    assert Frame(np.zeros((3, 7, 4), np.uint8), 0, 0, Region(0, 0, 7, 3)).size_wh == (7, 3)


def test_importing_the_records_loads_neither_settings_nor_screen_nor_video_packages() -> None:
    code = "import sys, capture.frame, capture.clock; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert {"pydantic", "mss", "Xlib", "cv2"}.isdisjoint(loaded.stdout.split())
