"""Wilson's interval, by published numbers."""

import pytest

from app.interval import wilson


def test_it_is_the_one_of_the_book() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I: 81 of 263.
    low, high = wilson(81, 263)
    assert (round(81 / 263, 4), round(low, 4), round(high, 4)) == (0.3080, 0.2553, 0.3662)


def test_wilsons_interval_is_the_known_one() -> None:
    low, high = wilson(1, 10, z=1.96)
    assert (low, high) == pytest.approx((0.0179, 0.4042), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 50)[0] == 0.0
