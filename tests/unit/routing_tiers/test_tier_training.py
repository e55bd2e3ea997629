"""Training: it finds what there is to find, and no more."""

from collections.abc import Callable

import numpy as np
import pytest

from app.evals import DatasetError
from app.evals.tiers.logistic import fit, log_loss, out_of_fold, sigmoid, stratified
from app.evals.tiers.training import quality_curve, train
from app.routing.tiers import NEVER
from tests.unit.routing_tiers.conftest import MODELS, World, pair

MakeWorld = Callable[..., World]


def test_separable_prompts_are_told_apart_and_the_target_is_reached(world: MakeWorld) -> None:
    everything = world()
    taught, tested = everything.half(True), everything.half(False)
    classifier = train(taught.pairs, taught.vectors, MODELS).classifier
    threshold = classifier.threshold_for(0.95)
    routed = np.array([classifier.probability(vector) >= threshold for vector in tested.vectors])
    suffices = np.array([p.small_suffices for p in tested.pairs])
    assert (routed == suffices).mean() > 0.95
    quality = np.mean(
        [p.small.grade if small else p.large.grade for p, small in zip(tested.pairs, routed, strict=True)]
    )
    assert quality >= 0.95


def test_noise_lowers_what_is_sent_to_small_not_the_quality(world: MakeWorld) -> None:
    shares = []
    for noise in (0.1, 2.0):
        everything = world(800, noise=noise)
        taught, tested = everything.half(True), everything.half(False)
        classifier = train(taught.pairs, taught.vectors, MODELS).classifier
        threshold = classifier.threshold_for(0.9)
        routed = np.array([classifier.probability(vector) >= threshold for vector in tested.vectors])
        grades = [p.small.grade if small else p.large.grade for p, small in zip(tested.pairs, routed, strict=True)]
        assert np.mean(grades) > 0.85
        shares.append(routed.mean())
    assert shares[1] < shares[0]


def test_probabilities_are_calibrated(world: MakeWorld) -> None:
    everything = world(2000, noise=1.0)
    taught, tested = everything.half(True), everything.half(False)
    classifier = train(taught.pairs, taught.vectors, MODELS).classifier
    probabilities = np.array([classifier.probability(vector) for vector in tested.vectors])
    suffices = np.array([p.small_suffices for p in tested.pairs])
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)):
        rows = (probabilities >= low) & (probabilities < high)
        assert abs(probabilities[rows].mean() - suffices[rows].mean()) < 0.12


def test_vectors_that_tell_nothing_give_probabilities_near_the_base_rate(world: MakeWorld) -> None:
    everything = world()
    vectors = np.random.default_rng(9).normal(size=everything.vectors.shape)
    training = train(everything.pairs, vectors, MODELS)
    base = np.mean([p.small_suffices for p in everything.pairs])
    assert np.abs(training.probabilities - base).max() < 0.25
    assert training.classifier.threshold_for(0.99) > training.probabilities.mean()


def test_training_twice_gives_the_same_classifier(world: MakeWorld) -> None:
    everything = world(noise=1.0)
    first, second = (train(everything.pairs, everything.vectors, MODELS) for _ in range(2))
    assert first.classifier.weights.tolist() == second.classifier.weights.tolist()
    assert first.classifier.thresholds.tolist() == second.classifier.thresholds.tolist()


def test_more_dimensions_than_prompts_are_no_problem(world: MakeWorld) -> None:
    everything = world(60)
    padding = np.random.default_rng(2).normal(size=(60, 92)) * 0.1
    training = train(everything.pairs, np.hstack([everything.vectors, padding]), MODELS)
    assert training.classifier.weights.shape == (100,)
    assert training.classifier._is_sound()


@pytest.mark.parametrize("suffices", [0, 9, 91, 100])
def test_too_few_of_one_kind_are_refused_with_the_counts(suffices: int) -> None:
    pairs = [pair(f"q{n}", float(n < suffices), 1.0) for n in range(100)]
    with pytest.raises(DatasetError, match=f"suffices for {suffices} of 100"):
        train(pairs, np.random.default_rng(1).normal(size=(100, 4)), MODELS)


def test_the_threshold_rises_with_the_target(world: MakeWorld) -> None:
    everything = world(noise=1.5)
    classifier = train(everything.pairs, everything.vectors, MODELS).classifier
    thresholds = [classifier.threshold_for(target) for target in np.linspace(0, 1, 101)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1] <= NEVER


def test_the_quality_curve_is_what_routing_at_each_threshold_keeps() -> None:
    pairs = [pair("a", 1, 1), pair("b", 0, 1), pair("c", 1, 1), pair("d", 0, 0)]
    thresholds, quality = quality_curve(pairs, np.array([0.9, 0.7, 0.5, 0.3]))
    assert thresholds.tolist() == [0.3, 0.5, 0.7, 0.9, NEVER]
    assert quality == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1, 1])


def test_a_gain_further_down_does_not_hide_a_loss_above() -> None:
    pairs = [pair("a", 0, 1), pair("b", 1, 0), pair("c", 1, 1)]
    _, quality = quality_curve(pairs, np.array([0.9, 0.7, 0.5]))
    assert quality == pytest.approx([0.5, 0.5, 0.5, 1])


def test_prompts_of_equal_probability_go_together() -> None:
    pairs = [pair("a", 1, 1), pair("b", 0, 1)]
    thresholds, quality = quality_curve(pairs, np.array([0.6, 0.6]))
    assert thresholds.tolist() == [0.6, NEVER]
    assert quality == pytest.approx([0.5, 1])


def test_the_fit_is_the_minimum_of_the_penalised_loss() -> None:
    draw = np.random.default_rng(4)
    features = draw.normal(size=(60, 3))
    labels = (features[:, 0] + draw.normal(size=60) > 0).astype(np.float64)
    weights, bias = fit(features, labels, 2.0)
    residual = sigmoid(features @ weights + bias) - labels
    assert features.T @ residual + 2.0 * weights == pytest.approx(np.zeros(3), abs=1e-6)
    assert residual.sum() == pytest.approx(0, abs=1e-6)


def test_a_fit_to_separable_rows_with_a_tiny_penalty_ends() -> None:
    features = np.array([[-1.0], [-0.5], [0.5], [1.0]])
    weights, _ = fit(features, np.array([0.0, 0.0, 1.0, 1.0]), 1e-6)
    assert np.isfinite(weights).all()
    assert weights[0] > 5


def test_no_row_is_judged_by_a_fit_that_saw_it() -> None:
    # Labels that are pure chance: a fit that had seen its own rows would know them by heart.
    draw = np.random.default_rng(5)
    features, labels = draw.normal(size=(60, 50)), (np.arange(60) % 2).astype(np.float64)
    weights, bias = fit(features, labels, 0.01)
    assert log_loss(features @ weights + bias, labels) < 0.1
    assert log_loss(out_of_fold(features, labels, 0.01, folds=5, seed=1), labels) > 0.69


def test_folds_hold_every_row_once_and_mix_alike() -> None:
    labels = np.repeat([0.0, 1.0], [80, 20])
    folds = list(stratified(labels, 5, seed=1))
    assert sorted(np.concatenate(folds).tolist()) == list(range(100))
    assert [labels[rows].sum() for rows in folds] == [4, 4, 4, 4, 4]


def test_logits_of_any_size_are_no_overflow() -> None:
    with np.errstate(over="raise"):
        assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0, 0.5, 1]
