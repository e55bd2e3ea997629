"""The comparison: bounds, control, oracle, and a verdict that does not flatter."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app.evals import DatasetError
from app.evals.tiers.comparison import Comparison, Prices, compare
from app.evals.tiers.report import RouterReport
from app.evals.tiers.training import train
from app.evals.tiers.validation import cross_validate, leave_categories_out
from tests.unit.routing_tiers.conftest import MODELS, World, pair

MakeWorld = Callable[..., World]
PRICES = Prices(small=0.1, large=0.5)


def compared(everything: World, scores: np.ndarray | None = None) -> Comparison:
    taught, tested = everything.half(True), everything.half(False)
    classifier = train(taught.pairs, taught.vectors, MODELS).classifier
    probabilities = np.array([classifier.probability(vector) for vector in tested.vectors])
    return compare(tested.pairs, probabilities if scores is None else scores, classifier.threshold_for(0.95), PRICES)


def test_the_bounds_are_those_of_the_models(world: MakeWorld) -> None:
    found = compared(world())
    assert (found.large.kept.value, found.large.saved.value, found.large.share_small) == (1, 0, 0)
    assert found.small.share_small == 1
    assert found.small.saved.value == pytest.approx(0.8)  # 0.1 for 0.5 USD, as many tokens
    assert found.large.usd_per_thousand == pytest.approx(20 * 0.5 / 1e6 * 1000)


def test_a_classifier_that_knows_saves_like_the_oracle(world: MakeWorld) -> None:
    found = compared(world())
    assert found.oracle.kept.value == 1
    assert found.tiered.kept.value > 0.95
    assert found.tiered.saved.value > 0.9 * found.oracle.saved.value
    assert found.auc > 0.99
    assert found.p_value < 0.01
    assert found.is_better_than_chance


def test_the_shuffled_control_falls_onto_the_diagonal(world: MakeWorld) -> None:
    found = compared(world())
    share = found.tiered.share_small
    diagonal = 1 - share * (1 - found.small.kept.value)
    assert found.shuffled.share_small == share
    assert found.shuffled.kept.value == pytest.approx(diagonal, abs=0.005)
    assert found.shuffled.kept.high < found.tiered.kept.low
    assert found.shuffled.saved.value == pytest.approx(share * 0.8)
    assert found.control_area.value == pytest.approx((1 + found.small.kept.value) / 2, abs=0.01)
    assert found.tiered_curve.mean_kept > found.control_area.high


def test_scores_that_know_nothing_are_not_called_better(world: MakeWorld) -> None:
    everything = world()
    found = compared(everything, np.random.default_rng(8).random(len(everything.half(False).pairs)))
    assert found.p_value > 0.05
    assert not found.is_better_than_chance
    assert found.auc == pytest.approx(0.5, abs=0.1)


def test_nothing_routed_to_small_is_no_proof_of_skill(world: MakeWorld) -> None:
    tested = world().half(False)
    found = compare(tested.pairs, np.zeros(len(tested.pairs)), 1.0, PRICES)
    assert found.tiered.saved.value == 0
    assert found.p_value == 1


def test_chance_at_the_tiered_quality_saves_by_the_diagonal() -> None:
    pairs = [pair(f"q{n}", float(n < 5), 1.0) for n in range(10)]
    scores = np.array([1, 1, 1, 1, 0, 1, 0, 0, 0, 0], dtype=np.float64)  # 4 right routes, 1 wrong
    found = compare(pairs, scores, 0.5, PRICES)
    assert found.tiered.kept.value == pytest.approx(0.9)
    assert found.tiered.saved.value == pytest.approx(0.4)
    assert found.chance_saves == pytest.approx(0.1 / 0.5 * 0.8)


def test_costs_follow_the_tokens_that_each_model_took() -> None:
    answers = pair("a", 1, 1)
    wordy = replace(answers, small=replace(answers.small, completion_tokens=90))
    found = compare([wordy, wordy], np.ones(2), 0.5, PRICES)
    assert found.tiered.usd_per_thousand == pytest.approx(100 * 0.1 / 1e6 * 1000)
    assert found.tiered.saved.value == pytest.approx(0)  # 100 tokens at 0.1 cost what 20 cost at 0.5


def test_a_large_model_that_is_never_right_leaves_nothing_to_compare() -> None:
    with pytest.raises(DatasetError, match="nothing to compare"):
        compare([pair("a", 1, 0)], np.ones(1), 0.5, PRICES)


def test_intervals_hold_their_values(world: MakeWorld) -> None:
    found = compared(world(noise=1.0))
    for outcome in (found.small, found.tiered, found.shuffled, found.oracle):
        for estimate in (outcome.quality, outcome.kept, outcome.saved):
            assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9


@pytest.fixture
def checks(world: MakeWorld) -> Callable[[World], RouterReport]:
    def check(everything: World) -> RouterReport:
        arguments = everything.pairs, everything.vectors, MODELS, PRICES, 0.95
        return RouterReport(compared(everything), cross_validate(*arguments), leave_categories_out(*arguments))

    return check


def test_cross_validation_confirms_what_is_there(checks: Callable[[World], RouterReport], world: MakeWorld) -> None:
    report = checks(world(160))
    assert report.cross_validation.kept_gain.low > 0
    assert report.cross_validation.area_gain.low > 0
    assert report.unseen.auc > 0.95  # the plane is the same in every category
    assert "Better than the shuffled control" in report.verdict
    assert all(np.isfinite(value) for value in report.metrics().values())


def test_cross_validation_finds_nothing_where_nothing_is(
    checks: Callable[[World], RouterReport], world: MakeWorld
) -> None:
    everything = world(160)
    vectors = np.random.default_rng(6).normal(size=everything.vectors.shape)
    report = checks(World(everything.pairs, vectors))
    assert report.cross_validation.area_gain.low < 0 < report.cross_validation.area_gain.high
    assert "NOT better than the shuffled control" in report.verdict
