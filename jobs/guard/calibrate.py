"""From raw scores of texts that a model did not train on to a score whose 0.5 is the operating point."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from app.guard.injection.model import InjectionModel
from jobs.guard.data import Example
from jobs.guard.fit import Scores, fit
from jobs.guard.table import Table

FOLDS = 3
HARD = frozenset({"direct", "indirect"})  # harmless texts that look like attacks
ORDINARY = frozenset({"slabs_train", "docs", "cache"})
MOST_HARD, MOST_ORDINARY = 0.045, 0.01  # share of each that may be flagged


def cross_validate(table: Table, examples: Sequence[Example], advance: Callable[[], object]) -> Scores:
    """The raw score of each text that people wrote, by a model that has not seen it; NaN for made ones."""
    real = np.array([example.source in HARD | ORDINARY for example in examples])
    fold = np.array([_fold(example.text) for example in examples])
    scores = np.full(len(examples), np.nan)
    for left_out in range(FOLDS):
        tested = real & (fold == left_out)
        scores[tested] = table.worst(fit(table, examples, ~tested, seeds=1).scores, len(examples))[tested]
        advance()
    return scores


def operating_point(scores: Scores, examples: Sequence[Example]) -> float:
    """The lowest raw score at which neither kind of harmless texts is flagged too often."""
    return max(
        float(np.quantile(scores[_harmless(examples, sources)], 1 - most))
        for sources, most in ((HARD, MOST_HARD), (ORDINARY, MOST_ORDINARY))
    )


def calibrated(model: InjectionModel, scores: Scores, examples: Sequence[Example]) -> InjectionModel:
    """With Platt's slope, and an offset that puts the operating point at a logit of 0.

    The discount for many windows is half of what would keep the share of flagged documents the same if windows were
    independent: a maximum's quantile moves by this much when their number doubles.
    """
    known = ~np.isnan(scores)
    attack = np.array([example.is_attack for example in examples])
    platt = LogisticRegression(class_weight="balanced").fit(scores[known, None], attack[known])
    slope = float(platt.coef_[0, 0])
    ordinary = scores[_harmless(examples, ORDINARY)]
    doubling = slope * float(np.quantile(ordinary, 0.99) - np.quantile(ordinary, 0.98)) / 2
    return replace(model, slope=slope, offset=-slope * operating_point(scores, examples), doubling=doubling)


def _harmless(examples: Sequence[Example], sources: frozenset[str]) -> NDArray[np.bool_]:
    return np.array([not example.is_attack and example.source in sources for example in examples])


def _fold(text: str) -> int:
    return hashlib.sha256(f"fold {text}".encode(errors="surrogatepass")).digest()[0] % FOLDS
