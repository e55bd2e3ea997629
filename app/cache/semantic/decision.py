"""Whether a candidate is served: by a fixed threshold, or so that the share of wrong hits stays under a bound.

`Verified` serves a candidate when its risk, the model's probability that it is wrong, is at most a limit. The limit is
the highest at which the mean risk of what is served is `TARGET` of the bound: of all rules with that mean it gives the
most hits (the optimal rule for the false discovery rate, Sun and Cai, JASA 2007; the bound is on the share of the HITS
that are wrong, which is stricter than vCache's share of all requests). It is never more than `MAX_LIMIT` times the
bound, so that no question is sacrificed to many easy ones.

What holds, and under which assumption:

- If the model's risks are calibrated for what comes next, the expected share of wrong hits is at most TARGET * bound.
- They need not be calibrated in the beginning: as long as little is known, the regression is taken `CAUTION` standard
  deviations on the bad side, and a candidate that is not served costs nothing but a label: it is answered anew.
- A random `EXPLORED` of those that would be served is answered anew as well, and audits label others. These labels are
  drawn uniformly from the hits: how many of them are wrong, over how many the model expected, corrects every risk
  (`Correction`), whatever the model's mistake is. It reacts after some labels, not before.
- With the cosine alone as the score this does not hold: in 5 of 18 simulated trials the bound was broken.
- Nothing is promised for a stream that turns faster than labels come in, nor against wrong labels: the bound is
  on disagreement as the comparison of answers sees it. A tenant whose measured error is past its bound all the same
  falls back to the exact tier (tally.py).
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import numpy as np

from app.cache.semantic.labels import Label
from app.cache.semantic.model import Prior, ScoreModel
from app.cache.semantic.types import Indexed, Observation

TARGET = 0.8
CAUTION = 0.5
EXPLORED = 0.02
EXPLORED_AT_FIRST = 0.2
STRENGTH = 1.0
FADING = 0.998
MAX_LIMIT = 5.0
RECENT = 1024  # candidates whose risks say what the limit is
RELIMIT_EVERY = 16
FIRST_STEPS = 20  # of EM, from the prior
TENANTS = 2000  # whose regressions are kept


@dataclass(frozen=True, slots=True)
class Rating:
    """What is held of one candidate."""

    entry: Indexed
    similarity: float
    score: float
    reason: str  # of the judge
    risk: float
    would_serve: bool  # before chance and the tally have their say


class Decider(Protocol):
    """Rates candidates, and learns from labels."""

    def explored(self, tenant: str) -> float:
        """Share of what would be served that is answered anew, by chance."""
        ...

    def rate(self, entry: Indexed, similarity: float, score: float, reason: str) -> Rating:
        """Rate one candidate."""
        ...

    def note(self, rating: Rating) -> None:
        """The best candidate of a question, whatever becomes of it."""
        ...

    def learn(self, tenant: str, label: Label) -> None:
        """Take a label in."""
        ...

    def knows(self, tenant: str) -> bool:
        """Whether it has learned of this tenant, or need not."""
        ...

    def recall(self, tenant: str, labels: Sequence[Label]) -> None:
        """Take in what was learned before a restart."""
        ...


class Fixed:
    """Serves from a cosine on, unless the judge refuses. Learns nothing."""

    def __init__(self, threshold: float, min_score: float) -> None:
        self._threshold = threshold
        self._min_score = min_score

    def explored(self, tenant: str) -> float:
        return 0.0

    def rate(self, entry: Indexed, similarity: float, score: float, reason: str) -> Rating:
        would_serve = similarity >= self._threshold and score >= self._min_score
        return Rating(entry, similarity, score, reason, 1 - score, would_serve)

    def note(self, rating: Rating) -> None:
        pass

    def learn(self, tenant: str, label: Label) -> None:
        pass

    def knows(self, tenant: str) -> bool:
        return True

    def recall(self, tenant: str, labels: Sequence[Label]) -> None:
        pass


@dataclass(slots=True)
class Correction:
    """How many times more hits are wrong than the model expects, with caution.

    Wrong answers among labelled hits are Poisson with mean `factor * expected`; the factor has a Gamma prior of mean 1
    that counts for `STRENGTH` wrong answers, and is taken `CAUTION` standard deviations above its posterior mean. Old
    labels fade, so that it follows the stream.
    """

    wrong: float = 0.0
    expected: float = 0.0
    labels: float = 0.0

    def add(self, risk: float, same: bool) -> None:
        self.wrong = FADING * self.wrong + (not same)
        self.expected = FADING * self.expected + risk
        self.labels = FADING * self.labels + 1

    @property
    def factor(self) -> float:
        """At least 1: where the model is too pessimistic, it learns that by itself."""
        shape, rate = STRENGTH + self.wrong, STRENGTH + self.expected
        return max(1.0, (shape + CAUTION * math.sqrt(shape)) / rate)


@dataclass(slots=True)
class _Tenant:
    model: ScoreModel
    limit: float
    correction: Correction = field(default_factory=Correction)
    risks: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    since_limit: int = 0
    is_recalled: bool = False


class Verified:
    """Serves what keeps the share of wrong hits of a tenant under `max_error_rate`."""

    def __init__(self, max_error_rate: float, prior: Prior) -> None:
        self._bound = max_error_rate
        self._prior = prior
        self._tenants: dict[str, _Tenant] = {}

    def explored(self, tenant: str) -> float:
        # With fewer than 3 / bound labels, none of them wrong, the bound is not out of reach (the rule of three).
        need = 3 / self._bound
        return max(EXPLORED, EXPLORED_AT_FIRST * (1 - self._tenant(tenant).correction.labels / need))

    def rate(self, entry: Indexed, similarity: float, score: float, reason: str) -> Rating:
        tenant = self._tenant(entry.tenant)
        risk = tenant.model.risk(score, entry.observations, CAUTION)
        return Rating(entry, similarity, score, reason, risk, risk <= tenant.limit)

    def note(self, rating: Rating) -> None:
        tenant = self._tenant(rating.entry.tenant)
        tenant.risks.append(rating.risk)
        tenant.since_limit += 1
        if tenant.since_limit >= RELIMIT_EVERY:
            self._relimit(tenant)

    def learn(self, tenant: str, label: Label) -> None:
        known = self._tenant(tenant)
        known.model.learn(label.entry_id, Observation(label.score, label.same))
        if label.risk is not None:
            known.correction.add(label.risk, label.same)
            self._relimit(known)

    def knows(self, tenant: str) -> bool:
        return tenant in self._tenants and self._tenants[tenant].is_recalled

    def recall(self, tenant: str, labels: Sequence[Label]) -> None:
        known = self._tenant(tenant)
        known.is_recalled = True
        for label in labels:
            known.model.take(label.entry_id, Observation(label.score, label.same))
            if label.risk is not None:
                known.correction.add(label.risk, label.same)
        if labels:
            known.model.fit(FIRST_STEPS)
            self._relimit(known)

    def _relimit(self, tenant: _Tenant) -> None:
        tenant.since_limit = 0
        target = TARGET * self._bound / tenant.correction.factor
        risks = np.sort(np.fromiter(tenant.risks, np.float64))
        means = np.cumsum(risks) / np.arange(1, risks.size + 1)
        count = int(np.searchsorted(means, target, side="right"))  # means of sorted values rise
        highest = float(risks[count - 1]) if count else 0.0
        tenant.limit = min(max(highest, target), MAX_LIMIT * target)

    def _tenant(self, name: str) -> _Tenant:
        known = self._tenants.pop(name, None) or _Tenant(ScoreModel(self._prior), TARGET * self._bound)
        self._tenants[name] = known  # the newest stand last
        if len(self._tenants) > TENANTS:
            del self._tenants[next(iter(self._tenants))]
        return known


def is_drawn(share: float, random: Random) -> bool:
    """Chance, from a source that tests can seed."""
    return share > 0 and random.random() < share
