"""How probable it is that an entry's answer is right for a question with a given score: learned per tenant and entry.

A logistic regression with a random intercept (a generalised linear mixed model; Gelman and Hill, "Data Analysis Using
Regression and Multilevel Models", 2007, chapter 14):

    logit P(same | score, entry) = f(logit(score)) + u_entry,    u_entry ~ N(0, spread^2)

f rises, and is linear between `KNOTS`: a judge that is right at 0.999 may still be off at 0.9, and one straight line
would then be wrong at both. vCache (Schroeder et al., arXiv 2502.03771) fits a line anew for each entry, and so
knows nothing of an entry until it has some labels of its own. Here f and spread are the tenant's, learned from the
labels of all its entries (empirical Bayes; f starts at the judge's own calibration, f(x) = x), and the entry's labels
move its own intercept alone.

Labels are missing at random: whether a candidate is labelled depends on its score, on labels seen before and on chance,
never on whether it is right, so the likelihood may leave out those without a label (Rubin 1976).
"""

import hashlib
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from app.cache.semantic.types import MAX_OBSERVATIONS, Observation

Floats = NDArray[np.float64]

# Gauss-Hermite quadrature over the entry's intercept: 15 nodes give the integral to about three digits.
_NODES, _weights = hermegauss(15)
_LOG_WEIGHTS = np.log(_weights / _weights.sum())

KNOTS = np.array([2.0, 4.5])  # logits: scores of 0.88 and 0.989
LEAST_SLOPE = 0.05  # a higher score is never worse
MAX_LOGIT = 7.0  # a score of 0.999: what a judge says past that is no evidence of its own
BANDS = np.array([-3.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5])  # logits
KEPT_PER_BAND = 256  # so that many labels of poor candidates never crowd out the few of good ones
STEPS = 2  # of EM at each fit; it starts where the last one ended
SPREAD_STRENGTH = 10.0  # entries that the prior's spread counts for


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before the first label. Standard deviations are of normal distributions."""

    intercept: float = 0.0
    intercept_sd: float = 0.7
    slope: float = 1.0
    slope_sd: float = 0.3
    bend_sd: float = 0.5  # of the change of slope at each knot
    spread: float = 1.0


# A cosine is no probability: of MiniLM's, 0.9 was measured to be right about as often as not. The rest is learned.
COSINE_PRIOR = Prior(intercept=-4.4, intercept_sd=2.0, slope=2.0, slope_sd=1.0)


class ScoreModel:
    """One tenant's regression. Not safe for threads."""

    def __init__(self, prior: Prior) -> None:
        bends = np.full(len(KNOTS), prior.bend_sd)
        self._centre = np.array([prior.intercept, prior.slope, *np.zeros(len(KNOTS))])
        self._precision = np.diag(np.array([prior.intercept_sd, prior.slope_sd, *bends]) ** -2)
        self._prior_spread = prior.spread
        self.weights = self._centre.copy()
        self.covariance = np.linalg.inv(self._precision)
        self.spread = prior.spread
        self.labels = 0
        self._bands: list[deque[tuple[int, float, bool]]] = [deque(maxlen=KEPT_PER_BAND) for _ in range(len(BANDS) + 1)]
        self._since_fit = 0

    def risk(self, score: float, observations: Sequence[Observation], caution: float) -> float:
        """Probability that the answer is wrong.

        What is not known of the entry is integrated out: it averages out over hits on many entries. What is not
        known of f does not, as it is the same for all hits; f is taken `caution` standard deviations on the bad side.
        """
        at = _basis(np.array([logit(score)]))[0]
        doubt = math.sqrt(at @ self.covariance @ at)
        offsets = self.spread * _NODES
        log_posterior = _LOG_WEIGHTS
        if observations:
            newest = observations[-MAX_OBSERVATIONS:]
            seen = _basis(np.array([logit(o.score) for o in newest])) @ self.weights
            signs = np.array([1.0 if o.same else -1.0 for o in newest])
            margins = signs[:, None] * (seen[:, None] + offsets)
            log_posterior = log_posterior - np.logaddexp(0.0, -margins).sum(axis=0)
        posterior = np.exp(log_posterior - log_posterior.max())
        wrong = 1.0 / (1.0 + np.exp(at @ self.weights - caution * doubt + offsets))
        return float(posterior @ wrong / posterior.sum())

    def learn(self, entry_id: str, observation: Observation) -> None:
        """Take a label in; the fit follows when enough have come (about 2 ms)."""
        self.take(entry_id, observation)
        if self._since_fit >= max(4, min(64, self.labels // 16)):
            self.fit()

    def take(self, entry_id: str, observation: Observation) -> None:
        """Take a label in, without a fit."""
        x = logit(observation.score)
        entry = int.from_bytes(hashlib.blake2b(entry_id.encode(), digest_size=6).digest())
        self._bands[int(np.searchsorted(BANDS, x))].append((entry, x, observation.same))
        self.labels += 1
        self._since_fit += 1

    def fit(self, steps: int = STEPS) -> None:
        """A few steps of EM toward the most probable f and spread."""
        self._since_fit = 0
        rows = [row for band in self._bands for row in band]
        entries = np.array([entry for entry, _, _ in rows])
        design = _basis(np.array([x for _, x, _ in rows]))
        same = np.array([float(y) for _, _, y in rows])
        _, group = np.unique(entries, return_inverse=True)
        groups = int(group.max()) + 1
        for _ in range(steps):
            posterior, right = self._posterior(design, same, group, groups)
            belief = posterior[group]
            expected = (belief * right).sum(axis=1)
            curvature = (belief * right * (1 - right)).sum(axis=1)
            gradient = design.T @ (same - expected) - self._precision @ (self.weights - self._centre)
            hessian = (design * curvature[:, None]).T @ design + self._precision
            step = np.linalg.solve(hessian, gradient)
            self.weights = self.weights + step / max(1.0, float(np.abs(step).max()))  # far steps overshoot
            slopes = np.maximum(np.cumsum(self.weights[1:]), LEAST_SLOPE)
            self.weights[1:] = np.diff(slopes, prepend=0.0)
            square = float((posterior @ (self.spread * _NODES) ** 2).sum())
            prior_square = SPREAD_STRENGTH * self._prior_spread**2
            self.spread = math.sqrt((square + prior_square) / (groups + SPREAD_STRENGTH))
        self.covariance = self._uncertainty(design, same, group, groups)

    def _posterior(self, design: Floats, same: Floats, group: NDArray[np.intp], groups: int) -> tuple[Floats, Floats]:
        """Of each entry's intercept: weights (entries, nodes); and P(same) of each label at each node."""
        margins = (design @ self.weights)[:, None] + self.spread * _NODES
        right = 1.0 / (1.0 + np.exp(-margins))
        log_likelihood = -np.logaddexp(0.0, np.where(same[:, None] > 0, -margins, margins))
        log_posterior = np.tile(_LOG_WEIGHTS, (groups, 1))
        np.add.at(log_posterior, group, log_likelihood)
        posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
        return posterior / posterior.sum(axis=1, keepdims=True), right

    def _uncertainty(self, design: Floats, same: Floats, group: NDArray[np.intp], groups: int) -> Floats:
        """Covariance of the weights of f: the inverse of the information, estimated by the entries' scores (Berndt,
        Hall, Hall and Hausman 1974), since labels of one entry do not count as independent ones."""
        posterior, right = self._posterior(design, same, group, groups)
        residual = same - (posterior[group] * right).sum(axis=1)
        scores = np.zeros((groups, design.shape[1]))
        np.add.at(scores, group, design * residual[:, None])
        return np.asarray(np.linalg.inv(scores.T @ scores + self._precision))


def _basis(logits: Floats) -> Floats:
    """Shape (logits, weights): a constant, a line, and a bend at each knot."""
    return np.column_stack([np.ones_like(logits), logits, np.maximum(logits[:, None] - KNOTS, 0.0)])


def logit(score: float) -> float:
    """Log odds of a probability, cut at `MAX_LOGIT`."""
    p = min(max(score, 1e-6), 1 - 1e-6)
    return min(max(math.log(p / (1 - p)), -MAX_LOGIT), MAX_LOGIT)
