"""Ridge-penalised logistic regression by Newton's method: a few hundred rows need no library."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_STEPS = 100
STILL = 1e-8  # a Newton step this short has arrived


def fit(features: Floats, labels: Floats, penalty: float) -> tuple[Floats, float]:
    """Weights, shape (columns,), and bias that minimise the log loss plus `penalty / 2 * |weights|^2`.

    `features` has the shape (rows, columns), `labels` are 0 or 1. Hastie, Tibshirani and Friedman,
    "The Elements of Statistical Learning", 4.4.1; the bias is not penalised. The penalty must be
    above 0, or separable rows have no minimum.
    """
    design = np.column_stack([features, np.ones(len(features))])
    ridge = np.append(np.full(features.shape[1], penalty), 1e-9)

    def loss(at: Floats) -> float:
        logits = design @ at
        return float(np.logaddexp(0, logits).sum() - labels @ logits + ridge @ at**2 / 2)

    point = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        chance = sigmoid(design @ point)
        gradient = design.T @ (chance - labels) + ridge * point
        curvature = (design.T * (chance * (1 - chance))) @ design + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        # Far from the minimum a whole step can overshoot.
        while loss(point - step) > loss(point) and np.abs(step).max() > STILL:
            step /= 2
        point = point - step
        if np.abs(step).max() <= STILL:
            break
    return point[:-1], float(point[-1])


def out_of_fold(features: Floats, labels: Floats, penalty: float, *, folds: int, seed: int) -> Floats:
    """The logit of each row, from a fit to the other folds."""
    logits = np.empty(len(labels))
    for held_out in stratified(labels, folds, seed):
        rest = np.setdiff1d(np.arange(len(labels)), held_out)
        weights, bias = fit(features[rest], labels[rest], penalty)
        logits[held_out] = features[held_out] @ weights + bias
    return logits


def stratified(labels: Floats, folds: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Row numbers of each fold, with the same mix of labels in all of them."""
    draw = np.random.default_rng(seed)
    shuffled = draw.permutation(len(labels))
    ordered = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return (np.sort(ordered[start::folds]) for start in range(folds))


def sigmoid(logits: Floats) -> Floats:
    """Logits to probabilities, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)), dtype=np.float64)


def log_loss(logits: Floats, labels: Floats) -> float:
    """Mean, in nats."""
    return float((np.logaddexp(0, logits) - labels * logits).mean())
