"""From labelled pairs to the judge's model: boosted trees, calibrated and given a threshold on held-out groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from app.cache.judge.contrasts import why_not
from app.cache.judge.model import LEAF, JudgeModel, stack_trees
from app.evals.cache_judge.curve import Curve, curve_of, half_weights
from app.evals.cache_judge.table import Table

FOLDS = 5
SEEDS = 3
# What a person wrote to a question counts most; the rest is there to teach single contrasts.
WEIGHTS = {"written": 1.0, "within": 0.3, "made": 0.3}
TREES = {
    "max_iter": 250,
    "learning_rate": 0.06,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 25,
    "l2_regularization": 5.0,
    "max_features": 0.3,
    "early_stopping": False,
}
SAME = 20.0
REFUSED = -20.0  # the raw score of a pair that a certain contrast refuses

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model, and what its cross-validation found on the written pairs of the training half."""

    model: JudgeModel
    held_out: Scores  # raw, a row for each pair of the table
    curve: Curve


def fit(table: Table, target: float, card: Mapping[str, Any] | None = None) -> Fitted:
    """Train on all rows. `target`: share of hits that may be wrong, half of the pairs being traps."""
    held_out = cross_validate(table)
    written = np.array([pair.source == "written" for pair in table.pairs])
    scores, same = held_out[written], table.same[written]
    curve = curve_of(scores, same, np.array([pair.kind for pair in table.where(written).pairs]))
    judged = np.abs(scores) < SAME
    platt = LogisticRegression(C=1e6).fit(
        scores[judged, None], same[judged], sample_weight=half_weights(same)[judged] * len(same)
    )
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    raw = curve.threshold_for(target)
    forest = [_trees(table, seed) for seed in range(SEEDS)]
    nodes = [_nodes(predictor, 1 / SEEDS) for one in forest for (predictor,) in one._predictors]
    bias = float(np.mean([one._baseline_prediction.ravel()[0] for one in forest]))
    model = JudgeModel(
        table.names,
        stack_trees(nodes),
        bias,
        slope,
        offset,
        min_score=float(1 / (1 + np.exp(-(slope * raw + offset)))),
        card=dict(card or {}),
    )
    return Fitted(model, held_out, curve)


def cross_validate(table: Table, folds: int = FOLDS) -> Scores:
    """Raw scores of each pair by trees that have seen nothing of its group, certain contrasts applied."""
    fold = np.array([pair.group.fold(folds) for pair in table.pairs])
    scores = np.zeros(len(table.pairs))
    for left_out in range(folds):
        tested = fold == left_out
        taught = table.where(~tested)
        for seed in range(SEEDS):
            scores[tested] += _trees(taught, seed).decision_function(table.rows[tested]) / SEEDS
    return apply_contrasts(table, scores)


def apply_contrasts(table: Table, scores: Scores) -> Scores:
    """As the judge does: the same words are a hit, and a certain contrast refuses, whatever the trees say."""
    scores = np.where(table.column("same_key") > 0, SAME, scores)
    certain = [why_not(dict(zip(table.names, row, strict=True))).is_certain for row in table.rows.tolist()]
    return np.where(certain, REFUSED, scores)


def raw_scores(model: JudgeModel, table: Table) -> Scores:
    """Raw scores by a finished model."""
    return apply_contrasts(table, np.array([model.bias + model.trees.sum(row) for row in table.rows]))


def _trees(table: Table, seed: int) -> HistGradientBoostingClassifier:
    weights = np.array([WEIGHTS[pair.source] for pair in table.pairs])
    return HistGradientBoostingClassifier(**TREES, random_state=seed).fit(table.rows, table.same, sample_weight=weights)


def _nodes(predictor: Any, scale: float) -> list[tuple[int, float, int, int, float]]:
    """scikit-learn's nodes of one tree, as `stack_trees` takes them."""
    return [
        (LEAF, 0.0, 0, 0, float(node["value"]) * scale)
        if node["is_leaf"]
        else (int(node["feature_idx"]), float(node["num_threshold"]), int(node["left"]), int(node["right"]), 0.0)
        for node in predictor.nodes
    ]
