"""Percentiles agree with numpy's, and intervals hold what they say."""

import numpy as np
import pytest

from app.evals.statistics import bootstrap_interval, percentile


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("q", [0, 12.5, 50, 95, 99, 100])
def test_percentile_is_numpys(count: int, q: float) -> None:
    values = np.random.default_rng(count).exponential(size=count).tolist()
    assert percentile(values, q) == pytest.approx(float(np.percentile(values, q)))


def test_percentile_interpolates_between_ranks() -> None:
    assert percentile([4.0, 1.0, 2.0, 3.0], 50) == 2.5
    assert percentile([0.0, 10.0], 95) == pytest.approx(9.5)


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        percentile([], 50)


def test_interval_is_the_same_each_time_and_holds_the_mean() -> None:
    values = [0.0, 1.0, 1.0, 1.0, 0.5, 1.0, 0.0, 1.0]
    low, high = bootstrap_interval(values) or (0.0, 0.0)
    assert (low, high) == bootstrap_interval(values)
    assert 0 < low < float(np.mean(values)) < high < 1


def test_interval_of_a_large_sample_is_near_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(5, 2, size=1000)
    low, high = bootstrap_interval(values.tolist()) or (0.0, 0.0)
    half = 1.96 * float(values.std(ddof=1)) / 1000**0.5
    assert low == pytest.approx(float(values.mean()) - half, abs=0.02)
    assert high == pytest.approx(float(values.mean()) + half, abs=0.02)


def test_interval_of_equal_values_has_no_width_and_of_one_value_is_none() -> None:
    assert bootstrap_interval([1.0, 1.0, 1.0]) == (1.0, 1.0)
    assert bootstrap_interval([1.0]) is None
