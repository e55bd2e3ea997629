"""What routing by a classifier costs and keeps, beside what needs none.

always-large and always-small bound it; the shuffled control sends as many prompts to the small model, but
any; the oracle knows the grades. Shares are of always-large: `kept` of its mean grade, `saved` of its cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.evals.errors import DatasetError
from app.evals.statistics import RESAMPLES, SEED
from app.evals.tiers.grades import Pair

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
TAILS = (2.5, 97.5)  # percentiles that bound a 95% interval


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for a million tokens, in and out alike."""

    small: float
    large: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way to route the prompts."""

    name: str
    share_small: float
    quality: Estimate  # mean grade
    kept: Estimate
    usd_per_thousand: float  # prompts
    saved: Estimate


@dataclass(frozen=True, slots=True)
class Curve:
    """Quality against cost as ever more prompts go to the small model, surest first."""

    saved: Floats
    kept: Floats

    @property
    def mean_kept(self) -> float:
        """The mean height over the savings that always-small reaches: one number for a whole curve."""
        width = float(self.saved[-1] - self.saved[0])
        return float(np.trapezoid(self.kept, self.saved)) / width if width else float(self.kept.mean())


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of them on the same prompts. `tiered` and `shuffled` are at `threshold`."""

    prompts: int
    threshold: float
    small: Outcome
    large: Outcome
    tiered: Outcome
    shuffled: Outcome
    oracle: Outcome
    tiered_curve: Curve
    oracle_curve: Curve
    control_area: Estimate  # `Curve.mean_kept` of shuffled scores
    auc: float  # that a prompt for which small suffices scores above one for which it does not
    p_value: float  # that chance routes the same share at least as well
    chance_saves: float | None  # what random routing saves at the tiered quality; None: it decides nothing

    @property
    def is_better_than_chance(self) -> bool:
        """Whether 19 of 20 shuffles of the same routing are worse."""
        return self.p_value < 0.05


def compare(
    pairs: Sequence[Pair], probabilities: Floats, threshold: float, prices: Prices, *, resamples: int = RESAMPLES
) -> Comparison:
    """Route each pair to small when its probability reaches the threshold, and by the other rules.

    Intervals of the control are over its shuffles, the others' are a paired bootstrap over prompts.
    Raises DatasetError when the large model never answers right, or costs nothing: there are no shares then.
    """
    table = _Table.of(pairs, prices)
    draw = np.random.default_rng(SEED)
    samples = draw.integers(0, len(pairs), (resamples, len(pairs)))
    routed = probabilities >= threshold
    nothing = np.zeros(len(pairs), dtype=np.bool_)
    shuffles = np.array([draw.permutation(len(pairs)) for _ in range(resamples)])
    control = table.route(routed[shuffles])
    tiered = table.outcome("tiered", routed, samples)
    small = table.outcome("always small", ~nothing, samples)
    # A tie counts for chance, and the routing itself is one of its shuffles.
    as_good = int((control.kept >= tiered.kept.value - 1e-12).sum())
    lost, most_lost = 1 - tiered.kept.value, 1 - small.kept.value
    areas = np.array([table.curve(probabilities[order]).mean_kept for order in shuffles[: resamples // 4]])
    suffices = np.array([pair.small_suffices for pair in pairs])
    return Comparison(
        prompts=len(pairs),
        threshold=threshold,
        small=small,
        large=table.outcome("always large", nothing, samples),
        tiered=tiered,
        shuffled=Outcome(
            "shuffled control",
            float(routed.mean()),
            _estimate(control.grades.mean(), control.grades),
            _estimate(control.kept.mean(), control.kept),
            float(control.usd.mean()) * 1000,
            _estimate(control.saved.mean(), control.saved),
        ),
        oracle=table.outcome("oracle", suffices, samples),
        tiered_curve=table.curve(probabilities),
        oracle_curve=table.curve(table.small - table.large + 1e-6 * (table.large_usd - table.small_usd)),
        control_area=_estimate(areas.mean(), areas),
        auc=_auc(probabilities, suffices),
        p_value=(1 + as_good) / (1 + resamples),
        chance_saves=float(np.clip(lost / most_lost, 0, 1)) * small.saved.value if most_lost > 0 else None,
    )


@dataclass(frozen=True, slots=True)
class _Routes:
    """Means over the prompts, for each of several routings."""

    grades: Floats
    usd: Floats
    kept: Floats
    saved: Floats


@dataclass(frozen=True, slots=True)
class _Table:
    """Grades and costs (USD) of each prompt."""

    small: Floats
    large: Floats
    small_usd: Floats
    large_usd: Floats

    @classmethod
    def of(cls, pairs: Sequence[Pair], prices: Prices) -> "_Table":
        def tokens(model: str) -> Floats:
            replies = [getattr(pair, model) for pair in pairs]
            return np.array([r.prompt_tokens + r.completion_tokens for r in replies], dtype=np.float64)

        table = cls(
            np.array([pair.small.grade for pair in pairs], dtype=np.float64),
            np.array([pair.large.grade for pair in pairs], dtype=np.float64),
            tokens("small") * prices.small / 1e6,
            tokens("large") * prices.large / 1e6,
        )
        if not (table.large.sum() > 0 and table.large_usd.sum() > 0):
            raise DatasetError(
                "the large model has no right answer, or costs nothing; there is nothing to compare with"
            )
        return table

    def route(self, to_small: Bools, rows: NDArray[np.intp] | slice = slice(None)) -> _Routes:
        """`to_small` has the shape (..., prompts); `rows` picks prompts by number, with the same shape."""
        grades = np.where(to_small, self.small[rows], self.large[rows]).mean(axis=-1)
        usd = np.where(to_small, self.small_usd[rows], self.large_usd[rows]).mean(axis=-1)
        whole, most = self.large[rows].mean(axis=-1), self.large_usd[rows].mean(axis=-1)
        return _Routes(grades, usd, grades / np.maximum(whole, 1e-12), 1 - usd / np.maximum(most, 1e-12))

    def outcome(self, name: str, to_small: Bools, samples: NDArray[np.intp]) -> Outcome:
        here, drawn = self.route(to_small), self.route(to_small[samples], samples)
        return Outcome(
            name,
            float(to_small.mean()),
            _estimate(here.grades, drawn.grades),
            _estimate(here.kept, drawn.kept),
            float(here.usd) * 1000,
            _estimate(here.saved, drawn.saved),
        )

    def curve(self, scores: Floats) -> Curve:
        order = np.argsort(-scores, kind="stable")
        saved = np.cumsum((self.large_usd - self.small_usd)[order]) / self.large_usd.sum()
        kept = 1 + np.cumsum((self.small - self.large)[order]) / self.large.sum()
        return Curve(np.append(0.0, saved), np.append(1.0, kept))


def _estimate(value: float | Floats, drawn: Floats) -> Estimate:
    low, high = np.percentile(drawn, TAILS)
    return Estimate(float(value), float(low), float(high))


def _auc(scores: Floats, labels: Bools) -> float:
    """Area under the ROC curve: Mann and Whitney's U by the number of couples; a tie is half."""
    above, below = scores[labels], scores[~labels]
    if not above.size or not below.size:
        return float("nan")
    difference = above[:, None] - below
    return float(((difference > 0) + (difference == 0) / 2).mean())
