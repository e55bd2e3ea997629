"""Percentiles, and how sure a mean is."""

import math
from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000  # the ends of a 95% interval are steady to about two digits with it
SEED = 20240


def percentile(values: Sequence[float], q: float) -> float:
    """The q-th percentile (q from 0 to 100), by linear interpolation between the nearest ranks.

    Definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996), numpy's
    default. Raises ValueError when there are no values.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    ordered = sorted(values)
    rank = (len(ordered) - 1) * q / 100
    lower, upper = math.floor(rank), math.ceil(rank)
    return ordered[lower] + (ordered[upper] - ordered[lower]) * (rank - lower)


def bootstrap_interval(values: Sequence[float], *, level: float = 0.95, seed: int = SEED) -> tuple[float, float] | None:
    """The interval that holds the mean with probability `level`; None with fewer than two values.

    Percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13):
    the middle of the means of resamples. Seeded, so the same values give the same interval.
    """
    if len(values) < 2:
        return None
    sample = np.asarray(values, dtype=np.float64)
    draw = np.random.default_rng(seed)
    # One resample at a time: memory stays at the size of the sample.
    means = [float(sample[draw.integers(0, sample.size, sample.size)].mean()) for _ in range(RESAMPLES)]
    tail = (1 - level) / 2 * 100
    return percentile(means, tail), percentile(means, 100 - tail)
