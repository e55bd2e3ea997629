"""Hits against wrong hits as a threshold moves, counted as if half of all pairs asked the same."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.evals.cache_judge.groups import NEAR_REPEAT, PARAPHRASE
from app.interval import wilson


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its 95% interval (Wilson, 1927)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does. `wrong` is the share of hits that are wrong; the others are shares of their kind."""

    threshold: float
    hits: int
    wrong_hits: int
    wrong: Interval
    duplicates: float
    near_repeats: float
    paraphrases: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores in falling order with what was hit down to each."""

    scores: NDArray[np.float64]
    same: NDArray[np.bool_]
    kinds: NDArray[np.str_]
    wrong: NDArray[np.float64]  # share of hits that are wrong, down to each score

    def threshold_for(self, target: float) -> float:
        """The lowest threshold at which at most `target` of the hits are wrong; infinite where none is."""
        good = np.flatnonzero(self.wrong <= target)
        if not good.size:
            return math.inf
        last = int(good[-1])
        # Between this pair and the next one, so that rounding does not decide.
        following = self.scores[last + 1] if last + 1 < len(self.scores) else self.scores[last] - 1
        return float((self.scores[last] + following) / 2)

    def at(self, threshold: float) -> Point:
        """What is hit from `threshold` on."""
        hit = self.scores >= threshold
        right, wrong = int((hit & self.same).sum()), int((hit & ~self.same).sum())
        return Point(
            threshold,
            right + wrong,
            wrong,
            wrong_share(hit, self.same),
            _share(hit, self.same),
            _share(hit, self.kinds == NEAR_REPEAT),
            _share(hit, self.kinds == PARAPHRASE),
        )

    def hit_shares(self, threshold: float) -> dict[str, tuple[int, int]]:
        """kind -> (hits, pairs)."""
        hit = self.scores >= threshold
        return {
            str(kind): (int((hit & (self.kinds == kind)).sum()), int((self.kinds == kind).sum()))
            for kind in sorted(set(self.kinds))
        }


def curve_of(scores: NDArray[np.float64], same: NDArray[np.bool_], kinds: NDArray[np.str_]) -> Curve:
    """Sort by score; ties stay together, as a threshold cannot part them."""
    order = np.argsort(-scores, kind="stable")
    weights = half_weights(same)[order]
    wrong, every = np.cumsum(weights * ~same[order]), np.cumsum(weights)
    share = wrong / every
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    return Curve(scores[order], same[order], kinds[order], np.where(last_of_tie, share, np.inf))


def half_weights(same: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights by which duplicates and traps count a half each; they sum to 1."""
    return np.where(same, 0.5 / max(same.sum(), 1), 0.5 / max((~same).sum(), 1))


def wrong_share(hit: NDArray[np.bool_], same: NDArray[np.bool_]) -> Interval:
    """Wrong among the hits, duplicates and traps a half each; the interval is that of the traps hit."""
    caught, traps = int((hit & ~same).sum()), int((~same).sum())
    right = _share(hit, same)

    def share(trapped: float) -> float:
        return trapped / (trapped + right) if trapped + right else 0.0

    if not traps:
        return Interval(0.0, 0.0, 0.0)
    low, high = wilson(caught, traps)
    return Interval(share(caught / traps), share(low), share(high))


def _share(hit: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> float:
    return float((hit & chosen).sum() / chosen.sum()) if chosen.any() else 0.0
