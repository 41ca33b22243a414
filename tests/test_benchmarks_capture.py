"""From a drawing to its frame."""

import pytest

from benchmarks.capture import iterate_latencies_ms, measure


def test_a_drawing_counts_once_with_the_first_frame_after_it() -> None:
    drawn_ns = [1_000_000, 5_000_000, 6_000_000, 20_000_000]
    came_ns = [500_000, 3_000_000, 4_000_000, 8_000_000, 30_000_000, 31_000_000]
    assert list(iterate_latencies_ms(drawn_ns, came_ns)) == [2.0, 2.0, 10.0]


@pytest.mark.usefixtures("xvfb_display")
def test_a_drawing_that_is_reported_costs_few_looks() -> None:
    told, timed = (measure(on_damage, pictures=40, max_hz=240) for on_damage in (True, False))
    for row in (told, timed):
        assert row["samples"] >= 10
        assert row["drawn_to_frame_ms"]["p50"] > 0
    assert told["looks_per_s"] < timed["looks_per_s"]
