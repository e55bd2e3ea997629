"""From graded pairs and their vectors to a calibrated classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.evals.errors import DatasetError
from app.evals.tiers.grades import Pair
from app.evals.tiers.logistic import Floats, fit, log_loss, out_of_fold, sigmoid
from app.routing.tiers import NEVER, TierClassifier

PENALTIES = tuple(float(p) for p in np.logspace(1, 4, 7))
FOLDS, REPEATS, SEED = 5, 3, 20240
FEWEST_OF_A_KIND = 2 * FOLDS  # less, and a fold may teach nothing about it


@dataclass(frozen=True, slots=True)
class Models:
    """Whose vectors and whose answers: ids as the configuration names them."""

    embedder: str
    small: str
    large: str


@dataclass(frozen=True, slots=True)
class Training:
    """A classifier, and its out-of-fold probabilities of the pairs that it was trained on."""

    classifier: TierClassifier
    probabilities: Floats
    penalty: float
    log_loss: float  # out of fold, calibrated; nats


def train(
    pairs: Sequence[Pair], vectors: Floats, models: Models, provenance: Mapping[str, Any] | None = None
) -> Training:
    """Fit the probability that the small model suffices. `vectors` has a row for each pair.

    The penalty with the least cross-validated log loss is taken, and the result calibrated by Platt's two
    numbers. Raises DatasetError with too few pairs of either kind.
    """
    labels = np.array([pair.small_suffices for pair in pairs], dtype=np.float64)
    suffices = int(labels.sum())
    if min(suffices, len(labels) - suffices) < FEWEST_OF_A_KIND:
        raise DatasetError(
            f"the small model suffices for {suffices} of {len(labels)} training prompts; a classifier needs at "
            f"least {FEWEST_OF_A_KIND} of either kind, so add prompts, or choose other models"
        )
    vectors = np.asarray(vectors, dtype=np.float64)
    mean, scale = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), 1e-6)
    # The ridge fit is the same in any rotation of the space that the rows span, and that is small.
    _, _, axes = np.linalg.svd((vectors - mean) / scale, full_matrices=False)
    features = (vectors - mean) / scale @ axes.T

    penalty = min(PENALTIES, key=lambda p: log_loss(_held_out(features, labels, p, repeats=1), labels))
    # Held out, so that the calibration corrects the confidence about prompts that the fit has not seen.
    logits = _held_out(features, labels, penalty, repeats=REPEATS)
    slope, offset = fit(logits[:, None], labels, 1e-6)
    calibrated = slope[0] * logits + offset
    weights, bias = fit(features, labels, penalty)
    thresholds, quality = quality_curve(pairs, sigmoid(calibrated))
    classifier = TierClassifier(
        models.embedder,
        models.small,
        models.large,
        mean=mean,
        scale=scale,
        weights=weights @ axes,
        bias=bias,
        slope=float(slope[0]),
        offset=offset,
        thresholds=thresholds,
        quality=quality,
        provenance=dict(provenance or {}),
    )
    return Training(classifier, sigmoid(calibrated), penalty, log_loss(calibrated, labels))


def quality_curve(pairs: Sequence[Pair], probabilities: Floats) -> tuple[Floats, Floats]:
    """Thresholds, and the share of the large model's quality that each keeps, both rising.

    The quality of a threshold is the least of its own and all higher ones', so that a lucky dip of a
    small sample cannot lower the threshold. A share is at most 1: what the small model does better is
    not held against the target.
    """
    order = np.argsort(-probabilities, kind="stable")
    change = np.array([pairs[i].small.grade - pairs[i].large.grade for i in order])
    whole = sum(pair.large.grade for pair in pairs)
    kept = 1 + np.cumsum(change) / whole if whole else np.ones(len(pairs))
    ranked = probabilities[order]
    # Prompts of equal probability go together.
    ends = np.flatnonzero(np.append(ranked[:-1] > ranked[1:], True))
    thresholds = np.concatenate([[NEVER], ranked[ends]])
    quality = np.minimum.accumulate(np.concatenate([[1.0], kept[ends]]))
    return thresholds[::-1].copy(), quality[::-1].copy()


def _held_out(features: Floats, labels: Floats, penalty: float, *, repeats: int) -> Floats:
    """Out-of-fold logits; the mean of several divisions into folds, since one is a matter of luck."""
    logits = [out_of_fold(features, labels, penalty, folds=FOLDS, seed=SEED + r) for r in range(repeats)]
    return np.asarray(np.mean(logits, axis=0), dtype=np.float64)
