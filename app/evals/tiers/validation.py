"""How far the result of one division into halves can be trusted: other halves, and unseen categories."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.evals.errors import DatasetError
from app.evals.tiers.comparison import Comparison, Estimate, Prices, compare
from app.evals.tiers.grades import Pair
from app.evals.tiers.logistic import Floats
from app.evals.tiers.training import SEED, Models, train

REPLICATIONS = 5
SHUFFLES = 200  # each comparison's own; ten of them are averaged
T_95_OF_5 = 2.571  # Student's t with 5 degrees of freedom, two-sided 95%


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Five times two halves, each tested by a classifier trained on the other. Shares of always-large."""

    kept: Estimate
    saved: Estimate
    kept_gain: Estimate  # `kept` less that of the shuffled control
    area_gain: Estimate  # the same of the whole curve


@dataclass(frozen=True, slots=True)
class UnseenCategories:
    """Each category tested by a classifier that was trained on all others, at that one's own threshold."""

    kept: float
    saved: float
    kept_gain: float
    auc: float


def cross_validate(
    pairs: Sequence[Pair], vectors: Floats, models: Models, prices: Prices, target_quality: float
) -> CrossValidation:
    """Dietterich's 5x2 scheme ("Approximate Statistical Tests for Comparing Supervised Classification
    Learning Algorithms", 1998): the spread within the five couples of halves gives the intervals."""
    results: list[list[Comparison]] = []
    draw = np.random.default_rng(SEED)
    for _ in range(REPLICATIONS):
        order = draw.permutation(len(pairs))
        halves = order[: len(pairs) // 2], order[len(pairs) // 2 :]
        couple = []
        for taught, tested in (halves, halves[::-1]):
            classifier = train(_pick(pairs, taught), vectors[taught], models).classifier
            probabilities = np.array([classifier.probability(vector) for vector in vectors[tested]])
            threshold = classifier.threshold_for(target_quality)
            couple.append(compare(_pick(pairs, tested), probabilities, threshold, prices, resamples=SHUFFLES))
        results.append(couple)

    def spread(measure: Callable[[Comparison], float]) -> Estimate:
        values = np.array([[measure(comparison) for comparison in couple] for couple in results])
        variance = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).mean()
        middle, reach = float(values.mean()), T_95_OF_5 * float(np.sqrt(variance))
        return Estimate(middle, middle - reach, middle + reach)

    return CrossValidation(
        kept=spread(lambda c: c.tiered.kept.value),
        saved=spread(lambda c: c.tiered.saved.value),
        kept_gain=spread(lambda c: c.tiered.kept.value - c.shuffled.kept.value),
        area_gain=spread(lambda c: c.tiered_curve.mean_kept - c.control_area.value),
    )


def check_categories(categories: Iterable[str]) -> None:
    """Of the prompts. Raises DatasetError when there are not two: the report leaves each out in turn."""
    found = set(categories)
    if len(found) < 2:
        if not found:
            raise DatasetError("no prompt has been answered by both models; run this again to ask them anew")
        raise DatasetError(
            f"all prompts that can be used are of the category {found.pop()!r}, and what one category trains says "
            "nothing of others; a prompt's first tag is its category: give prompts of at least two"
        )


def leave_categories_out(
    pairs: Sequence[Pair], vectors: Floats, models: Models, prices: Prices, target_quality: float
) -> UnseenCategories:
    """What is left when a prompt resembles none that was trained on.

    Raises DatasetError with too few categories, or too few prompts without one of them.
    """
    categories = np.array([pair.category for pair in pairs])
    check_categories(categories.tolist())
    probabilities, margins = np.empty(len(pairs)), np.empty(len(pairs))
    for category in sorted(set(categories)):
        unseen = np.flatnonzero(categories == category)
        taught = np.flatnonzero(categories != category)
        try:
            classifier = train(_pick(pairs, taught), vectors[taught], models).classifier
        except DatasetError as error:
            raise DatasetError(f"without the category {str(category)!r} {error}") from None
        probabilities[unseen] = [classifier.probability(vector) for vector in vectors[unseen]]
        margins[unseen] = probabilities[unseen] - classifier.threshold_for(target_quality)
    routed = compare(pairs, margins, 0.0, prices, resamples=SHUFFLES)
    ranked = compare(pairs, probabilities, 1.0, prices, resamples=SHUFFLES)
    return UnseenCategories(
        kept=routed.tiered.kept.value,
        saved=routed.tiered.saved.value,
        kept_gain=routed.tiered.kept.value - routed.shuffled.kept.value,
        auc=ranked.auc,
    )


def _pick(pairs: Sequence[Pair], rows: NDArray[np.intp]) -> list[Pair]:
    return [pairs[row] for row in rows]
