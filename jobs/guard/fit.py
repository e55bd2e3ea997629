"""From labelled texts to the injection classifier: a linear judge over n-grams and cues, and small networks.

Of an attack often only the whole is labelled. Which of its sentences is the attack is found as in multiple-instance
learning (Andrews et al. 2002, mi-SVM): the sentence that scores highest becomes positive, and all is trained again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has none

from app.guard.injection.lexical import BUCKETS
from app.guard.injection.model import InjectionModel
from jobs.guard.data import Example
from jobs.guard.table import NEGATIVE, POSITIVE, UNKNOWN, Table

ROUNDS = 1  # of choosing attacks' sentences
LINEAR_C = 10.0
HIDDEN, EPOCHS, DECAY, RATE = 64, 8, 1e-2, 1e-3
SEEDS = 3
# What people wrote about this very question counts most.
WEIGHTS: Mapping[str, float] = {"direct": 3.0, "indirect": 3.0, "more": 2.0}
# Of documents the whole is not the attack.
DOCUMENTS = frozenset({"indirect", "made_document"})

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trained:
    """The model, not calibrated, and its raw score of every unit of the table."""

    model: InjectionModel
    scores: Scores


def fit(table: Table, examples: Sequence[Example], taught: NDArray[np.bool_], seeds: int = SEEDS) -> Trained:
    """`taught`: which examples train."""
    source = np.array([example.source for example in examples])
    weight = np.array([WEIGHTS.get(example.source, 1.0) for example in examples])
    is_document = np.isin(source, sorted(DOCUMENTS))
    linear_rows = table.linear_rows()
    mine = taught[table.owner]
    label = table.label.copy()
    label[(label == POSITIVE) & table.is_whole & is_document[table.owner] & (table.label != UNKNOWN)] = UNKNOWN
    label[_has_order(examples)[table.owner]] = table.label[_has_order(examples)[table.owner]]
    trained = _fit(table, linear_rows, label, mine, weight, 1)
    for _ in range(ROUNDS):
        chosen = label.copy()
        chosen[_worst_unknown(table, label, trained.scores, mine)] = POSITIVE
        trained = _fit(table, linear_rows, chosen, mine, weight, seeds)
    return trained


def _has_order(examples: Sequence[Example]) -> NDArray[np.bool_]:
    return np.array([bool(example.order) for example in examples])


def _worst_unknown(table: Table, label: NDArray[np.int8], scores: Scores, mine: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Of each example with unknown units the one that scores highest."""
    unknown = np.flatnonzero((label == UNKNOWN) & mine)
    order = unknown[np.argsort(scores[unknown], kind="stable")]
    best = {int(table.owner[at]): int(at) for at in order}
    return np.array(sorted(best.values()), dtype=np.intp)


def _fit(
    table: Table, rows: object, label: NDArray[np.int8], mine: NDArray[np.bool_], weight: Scores, seeds: int
) -> Trained:
    known = mine & (label != UNKNOWN)
    target, weights = label[known] == POSITIVE, weight[table.owner[known]]
    with threadpool_limits(1):
        linear = LogisticRegression(C=LINEAR_C, solver="liblinear", tol=1e-3, random_state=0)
        linear.fit(rows[known], target, sample_weight=weights)  # type: ignore[index]  # scipy's matrices have no types
        networks = [_network(table.dense[known], target, weights, seed) for seed in range(seeds)]
    coefficients = linear.coef_[0].astype(np.float32)
    model = InjectionModel(
        words=coefficients[:BUCKETS],
        cues=coefficients[BUCKETS:],
        bias=float(linear.intercept_[0]),
        inner=np.stack([one.coefs_[0] for one in networks]).astype(np.float32),
        inner_bias=np.stack([one.intercepts_[0] for one in networks]).astype(np.float32),
        outer=np.stack([one.coefs_[1][:, 0] for one in networks]).astype(np.float32),
        outer_bias=np.array([one.intercepts_[1][0] for one in networks], dtype=np.float32),
    )
    return Trained(model, linear.decision_function(rows) + network_scores(model, table.dense))


def network_scores(model: InjectionModel, dense: NDArray[np.float32]) -> Scores:
    """The networks' mean logits for many units."""
    scores = np.zeros(len(dense))
    for inner, inner_bias, outer, bias in zip(
        model.inner, model.inner_bias, model.outer, model.outer_bias, strict=True
    ):
        scores += np.maximum(dense @ inner + inner_bias, 0) @ outer + bias
    return scores / len(model.outer)


def _network(rows: NDArray[np.float32], target: NDArray[np.bool_], weights: Scores, seed: int) -> MLPClassifier:
    network = MLPClassifier(
        (HIDDEN,),
        alpha=DECAY,
        learning_rate_init=RATE,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS + 1,
        random_state=seed,
    )
    return network.fit(rows, target, sample_weight=weights)


__all__ = ["NEGATIVE", "Trained", "fit", "network_scores"]
