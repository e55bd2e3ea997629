"""From a table of windows to two judges of each: the tuned encoder, and a linear one over n-grams and cues."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has none

from jobs.guard.data import Example
from jobs.guard.table import POSITIVE, UNKNOWN, UNUSED, Table
from jobs.guard.tune import Lower, Tuned, tune

LINEAR_C = 30.0
WRITTEN = 2.5  # of written_*.jsonl
# What people wrote about this very question counts most; what others wrote, and what is made, least.
WEIGHTS: Mapping[str, float] = {
    "direct": 3.0,
    "indirect": 3.0,
    "more": 2.0,
    "slabs_train": 0.7,
    "neuralchemy": 0.5,
    "yanismiraoui": 0.5,
    "made_direct": 0.5,
    "made_insert": 0.5,
    "made_document": 0.5,
}

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Both judges, and their scores of every row of the table. `words` and cues in `coefficients`."""

    tuned: Tuned
    coefficients: NDArray[np.float32]
    intercept: float
    encoder: Scores
    linear: Scores


def weight_of(source: str) -> float:
    """What an example of this source counts."""
    return WRITTEN if source.startswith("written_") else WEIGHTS.get(source, 1.0)


def fit(
    table: Table,
    lower: Lower,
    examples: Sequence[Example],
    taught: NDArray[np.bool_],
    seed: int,
    advance: Callable[[float], object],
) -> Fitted:
    """`taught`: which examples train; `advance` is called with shares of the whole."""
    weight = np.array([weight_of(example.source) for example in examples])[table.owner]
    mine = taught[table.owner]
    tuned = tune(lower, table, weight, mine, seed, advance)
    known = mine & (table.label != UNUSED) & (table.label != UNKNOWN)
    with threadpool_limits(1):
        linear = LogisticRegression(C=LINEAR_C, solver="liblinear", tol=1e-2, random_state=0)
        linear.fit(table.lexical[known], table.label[known] == POSITIVE, sample_weight=weight[known])
    scores = linear.decision_function(table.lexical)
    return Fitted(tuned, linear.coef_[0].astype(np.float32), float(linear.intercept_[0]), tuned.scores, scores)
