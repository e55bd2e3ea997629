"""Saying "not in the documents": how often that is right, and how often it is said when it should be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Abstention:
    """Counts of questions, and the area under the ROC curve of the confidence.

    A question is positive when the corpus does not answer it. `auc` is the probability that the confidence is higher
    for a question that it answers than for one that it does not; ties count half; NaN where one sort is missing.
    """

    abstained: int
    right: int  # of the abstentions
    unanswerable: int
    auc: float

    @property
    def precision(self) -> float:
        """Share of the abstentions that are right; NaN without one."""
        return self.right / self.abstained if self.abstained else float("nan")

    @property
    def recall(self) -> float:
        """Share of the unanswerable questions at which it abstains; NaN without one."""
        return self.right / self.unanswerable if self.unanswerable else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where no abstention is right."""
        together = self.abstained + self.unanswerable
        return 2 * self.right / together if together else float("nan")


def judge_abstention(confidences: Sequence[float], answerable: Sequence[bool], abstains: Sequence[bool]) -> Abstention:
    """One entry a question."""
    right = sum(says and not has for says, has in zip(abstains, answerable, strict=True))
    return Abstention(sum(abstains), right, sum(not has for has in answerable), auc(confidences, answerable))


def auc(confidences: Sequence[float], answerable: Sequence[bool]) -> float:
    """See `Abstention.auc`. Mann and Whitney's U over the number of pairs."""
    values, has = np.asarray(confidences, dtype=np.float64), np.asarray(answerable, dtype=np.bool_)
    low, high = np.sort(values[~has]), values[has]
    if not len(low) or not len(high):
        return float("nan")
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.mean() / 2 / len(low))


def best_threshold(confidences: Sequence[float], answerable: Sequence[bool]) -> float:
    """The confidence under which abstaining has the highest F1 on these questions; for systems that decide nothing.

    Of equally good ones the lowest, at which the fewest answers are withheld.
    """
    candidates = [*sorted(set(confidences)), float("inf")]
    scored = [
        (judge_abstention(confidences, answerable, [value < limit for value in confidences]).f1, -limit)
        for limit in candidates
    ]
    return -max(scored)[1]
