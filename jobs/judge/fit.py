"""From labelled pairs to the judge's model: two networks and boosted trees, calibrated on held-out groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from app.cache.judge.contrasts import is_same_wording, why_not
from app.cache.judge.model import LEAF, LOOSE, MOST, JudgeModel, probability_of, stack_trees
from app.evals.cache_judge.curve import Curve, curve_of, half_weights
from app.evals.cache_judge.table import Table
from jobs.judge.fit_aligned import fit_aligned
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
SAME, REFUSED = MOST, -MOST  # the logits of what is settled without the model

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model, and what its cross-validation found on the written pairs of the training half."""

    model: JudgeModel
    held_out: Scores  # logits, one for each pair of the table
    curve: Curve


def fit(table: Table, target: float) -> Fitted:
    """Train on all rows. `target`: share of hits that may be wrong, half of the pairs being traps."""
    weights = np.array([WEIGHTS[pair.source] for pair in table.pairs])
    nets, loose = fit_loose(table, weights, FOLDS)
    aligned_net, aligned = fit_aligned(table, FOLDS)
    table = table.with_column(LOOSE, loose)
    both = np.stack([cross_validate(table), aligned], axis=1)
    written = np.array([pair.source == "written" for pair in table.pairs])
    judged = written & (np.abs(apply_contrasts(table, np.zeros(len(both)))) < SAME)
    # Platt's scaling, of two scores: neither has seen the group.
    platt = LogisticRegression(C=1e6).fit(
        both[judged],
        table.same[judged],
        sample_weight=half_weights(table.same[written])[judged[written]] * judged.sum(),
    )
    offset = float(platt.intercept_[0])
    held_out = apply_contrasts(table, both @ platt.coef_[0] + offset)
    kinds = np.array([pair.kind for pair in table.pairs])
    curve = curve_of(held_out[written], table.same[written], kinds[written])
    forest = [_trees(table, seed) for seed in range(SEEDS)]
    nodes = [_nodes(predictor, 1 / SEEDS) for one in forest for (predictor,) in one._predictors]
    slope, aligned_slope = platt.coef_[0].tolist()
    model = JudgeModel(
        table.names,
        stack_trees(nodes),
        nets,
        aligned_net,
        float(np.mean([one._baseline_prediction.ravel()[0] for one in forest])),
        slope,
        aligned_slope,
        offset,
        min_score=probability_of(curve.threshold_for(target)),
    )
    return Fitted(model, held_out, curve)


def cross_validate(table: Table, folds: int = FOLDS) -> Scores:
    """The score of each pair by trees that have seen nothing of its group."""
    fold = np.array([pair.group.fold(folds) for pair in table.pairs])
    scores = np.zeros(len(table.pairs))
    for left_out in range(folds):
        tested = fold == left_out
        taught = table.where(~tested)
        for seed in range(SEEDS):
            scores[tested] += _trees(taught, seed).decision_function(table.rows[tested]) / SEEDS
    return scores


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


def logits(model: JudgeModel, table: Table) -> Scores:
    """By a finished model, contrasts applied."""
    loose = np.array([model.net.score(rows.astype(np.float32)) for rows in table.loose])
    full = table.with_column(LOOSE, loose)
    rows = full.rows[:, [full.names.index(name) for name in model.names]]  # there may be features that came later
    aligned = [model.aligned.score(pair) for pair in table.tokens]
    return apply_contrasts(table, np.array([model.logit(row, score) for row, score in zip(rows, aligned, strict=True)]))


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
