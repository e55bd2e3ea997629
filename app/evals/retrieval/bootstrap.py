"""How sure a difference between two systems is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
SEED = 20240
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of one system's scores less the other's, and the interval that holds it with probability `LEVEL`."""

    mean: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def paired_difference(
    one: Sequence[float], other: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Difference:
    """Of scores of the same questions in the same order. Raises ValueError for unequal lengths or none.

    Paired percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13): questions are
    drawn, each with both systems' scores, since a hard question is hard for both.
    """
    if not one or len(one) != len(other):
        raise ValueError("both systems need a score for each of the same questions")
    gaps = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, gaps.size, (resamples, gaps.size))
    means = gaps[drawn].mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Difference(float(gaps.mean()), float(low), float(high))
