"""Fitting the relevance: order and probability at once, and the threshold under which a search abstains."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.retrieval.search.evidence import FEATURES
from app.retrieval.search.relevance import Relevance
from jobs.relevance.table import Asked

Floats = NDArray[np.float64]

FOLDS = 5
STEPS = 600
RATE = 0.05
RIDGE = 0.002  # weights are for features between 0 and 1, divided by their spread
ORDERING = 0.5  # share of the loss that is about order


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights and bias for the features as they are."""

    weights: Floats
    bias: float

    def logits(self, rows: Floats) -> Floats:
        return rows @ self.weights + self.bias


def fit(asked: Sequence[Asked], *, ordering: float = ORDERING, ridge: float = RIDGE) -> Fit:
    """Minimise a mean over searches of two losses, with a ridge.

    Of probability: the logistic loss of each candidate, those that answer and those that do not. Of order, where
    something answers and there is much to choose from: the cross-entropy of a softmax over the candidates (ListNet's
    with one relevant item each; Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML
    2007). By Adam, since both are convex and the whole table fits into memory.
    """
    rows = np.concatenate([each.rows for each in asked])
    answers = np.concatenate([each.answers for each in asked]).astype(np.float64)
    owner = np.concatenate([np.full(len(each.rows), index) for index, each in enumerate(asked)])
    starts = np.concatenate([[0], np.cumsum([len(each.rows) for each in asked])[:-1]])
    weight = np.array([each.weight for each in asked])
    weight /= weight.sum()
    per_row = weight[owner]
    right = np.add.reduceat(answers, starts)
    listed = np.where((right > 0) & ~np.array([each.is_few for each in asked]), weight, 0.0)
    wanted = answers / np.maximum(right, 1)[owner]
    center, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
    x = (rows - center) / scale
    w, bias = np.zeros(x.shape[1]), -3.0
    first, second = np.zeros(len(w) + 1), np.zeros(len(w) + 1)
    for step in range(1, STEPS + 1):
        z = x @ w
        wrong = per_row * (1 / (1 + np.exp(-(z + bias))) - answers) * (1 - ordering)
        shifted = np.exp(z - np.maximum.reduceat(z, starts)[owner])
        softmax = shifted / np.add.reduceat(shifted, starts)[owner]
        misplaced = listed[owner] * (softmax - wanted) * ordering
        gradient = np.append(x.T @ (wrong + misplaced) + 2 * ridge * w, wrong.sum())
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        change = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)
        rate = RATE * min(1.0, 3 * (1 - step / (STEPS + 1)))
        w, bias = w - rate * change[:-1], bias - rate * change[-1]
    raw = w / scale
    return Fit(raw, bias - float(center @ raw))


def calibrated(fitted: Fit, asked: Sequence[Asked], logits: Sequence[Floats]) -> Fit:
    """With slope and offset by which `logits`, of searches that the fit has not seen, are probabilities (Platt, 1999):
    fitted to the best candidate of each search, which is the one that decides, and the next few, by Newton's method."""
    z, y, weight = [], [], []
    for each, values in zip(asked, logits, strict=True):
        best = np.argsort(-values)[:5]
        z.append(values[best])
        y.append(each.answers[best])
        weight.append(np.full(len(best), each.weight))
    x = np.stack([np.concatenate(z), np.ones(sum(map(len, z)))], axis=1)
    target, row_weight = np.concatenate(y).astype(np.float64), np.concatenate(weight)
    theta = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ theta, -30, 30)))
        gradient = x.T @ (row_weight * (p - target))
        hessian = (x * (row_weight * p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        theta -= np.linalg.solve(hessian, gradient)
    return Fit(fitted.weights * theta[0], fitted.bias * theta[0] + theta[1])


def rescaled(asked: Sequence[Asked], logits: Sequence[Floats]) -> list[Floats]:
    """Held-out logits on the scale that `calibrated` gives what ships."""
    scale = calibrated(Fit(np.ones(1), 0.0), asked, logits)
    return [float(scale.weights[0]) * values + scale.bias for values in logits]


def folds(asked: Sequence[Asked]) -> Iterator[tuple[list[int], list[int]]]:
    """Training and test indices, `FOLDS` times; all searches for one question are on one side."""
    names = sorted({each.question.question.id for each in asked})
    place = {name: index % FOLDS for index, name in enumerate(names)}
    for fold in range(FOLDS):
        test = [i for i, each in enumerate(asked) if place[each.question.question.id] == fold]
        train = [i for i, each in enumerate(asked) if place[each.question.question.id] != fold]
        yield train, test


def held_out_logits(asked: Sequence[Asked]) -> list[Floats]:
    """Each search's logits by a fit that has not seen its question."""
    logits: list[Floats] = [np.zeros(0)] * len(asked)
    for train, test in folds(asked):
        fitted = fit([asked[i] for i in train])
        for i in test:
            logits[i] = fitted.logits(asked[i].rows)
    return logits


def as_relevance(fitted: Fit, threshold: float, card: dict[str, object]) -> Relevance:
    """As it ships."""
    if len(fitted.weights) != len(FEATURES):
        raise ValueError("the fit is of other features")
    return Relevance(fitted.weights, fitted.bias, threshold, card)
