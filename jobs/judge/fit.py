"""From labelled pairs to the judge's model: a network and boosted trees, calibrated on held-out groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from app.cache.judge.contrasts import is_same_wording, why_not
from app.cache.judge.model import LEAF, LOOSE, JudgeModel, stack_trees
from app.evals.cache_judge.curve import Curve, curve_of, half_weights
from app.evals.cache_judge.table import Table
from jobs.judge.fit_loose import fit_loose

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


def fit(table: Table, target: float) -> Fitted:
    """Train on all rows. `target`: share of hits that may be wrong, half of the pairs being traps."""
    weights = np.array([WEIGHTS[pair.source] for pair in table.pairs])
    nets, loose = fit_loose(table, weights, FOLDS)
    table = table.with_column(LOOSE, loose)
    held_out = cross_validate(table)
    written = np.array([pair.source == "written" for pair in table.pairs])
    scores, same = held_out[written], table.same[written]
    curve = curve_of(scores, same, np.array([pair.kind for pair in table.where(written).pairs]))
    judged = np.abs(scores) < SAME
    platt = LogisticRegression(C=1e6).fit(
        scores[judged, None], same[judged], sample_weight=half_weights(same)[judged] * len(same)
    )
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    forest = [_trees(table, seed) for seed in range(SEEDS)]
    nodes = [_nodes(predictor, 1 / SEEDS) for one in forest for (predictor,) in one._predictors]
    model = JudgeModel(
        table.names,
        stack_trees(nodes),
        nets,
        float(np.mean([one._baseline_prediction.ravel()[0] for one in forest])),
        slope,
        offset,
        min_score=float(1 / (1 + np.exp(-(slope * curve.threshold_for(target) + offset)))),
    )
    return Fitted(model, held_out, curve)


def cross_validate(table: Table, folds: int = FOLDS) -> Scores:
    """Raw scores of each pair by trees that have seen nothing of its group, contrasts applied."""
    fold = np.array([pair.group.fold(folds) for pair in table.pairs])
    scores = np.zeros(len(table.pairs))
    for left_out in range(folds):
        tested = fold == left_out
        taught = table.where(~tested)
        for seed in range(SEEDS):
            scores[tested] += _trees(taught, seed).decision_function(table.rows[tested]) / SEEDS
    return apply_contrasts(table, scores)


def apply_contrasts(table: Table, scores: Scores) -> Scores:
    """As the judge does: the same wording is a hit, and a certain contrast refuses, whatever the trees say."""
    settled = np.array(scores, dtype=np.float64)
    for at, row in enumerate(table.rows.tolist()):
        found = dict(zip(table.names, row, strict=True))
        if is_same_wording(found):
            settled[at] = SAME
        elif why_not(found).is_certain:
            settled[at] = REFUSED
    return settled


def raw_scores(model: JudgeModel, table: Table) -> Scores:
    """Raw scores by a finished model, contrasts applied."""
    loose = np.array([model.net.score(rows.astype(np.float32)) for rows in table.loose])
    table = table.with_column(LOOSE, loose)
    return apply_contrasts(table, np.array([model.raw(row) for row in table.rows]))


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
