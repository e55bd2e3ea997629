"""What is served: thresholds, and the learned bound on wrong hits."""

import time
from dataclasses import dataclass
from random import Random

import pytest

from app.cache.semantic.decision import EXPLORED, EXPLORED_AT_FIRST, MAX_LIMIT, Correction, Fixed, Verified
from app.cache.semantic.labels import Label
from app.cache.semantic.model import COSINE_PRIOR, Prior, ScoreModel, logit
from app.cache.semantic.types import MAX_OBSERVATIONS, Indexed, Observation


def entry(n: int = 0, observations: tuple[Observation, ...] = (), tenant: str = "acme") -> Indexed:
    return Indexed(f"entry {n}", tenant, "s", f"question {n}?", f"key {n}", 0, 1, observations)


def labels(score: float, right: int, wrong: int = 0) -> tuple[Observation, ...]:
    return tuple(Observation(score, same) for same in [True] * right + [False] * wrong)


@dataclass
class Stream:
    """Candidates whose scores are probabilities, right or not by a law that the test chooses."""

    verified: Verified
    random: Random
    hits: int = 0
    wrong: int = 0
    requests: int = 0

    def run(self, count: int, overconfidence: float = 0.0) -> None:
        for n in range(count):
            score = self.random.choice((0.05, 0.3, 0.6, 0.9, 0.98, 0.995, 0.999))
            true = 1 / (1 + 2.718281828 ** -(logit(score) - overconfidence))
            same = self.random.random() < true
            rating = self.verified.rate(entry(n), 0.9, score, "")
            self.verified.note(rating)
            serve = rating.would_serve and self.random.random() >= self.verified.explored("acme")
            self.requests += 1
            if serve:
                self.hits += 1
                self.wrong += not same
            if not serve or self.random.random() < 0.02:
                risk = rating.risk if rating.would_serve else None
                self.verified.learn("acme", Label(f"entry {n}", score, same, risk))


@pytest.mark.parametrize(("cosine", "score", "served"), [(0.9, 0.8, True), (0.89, 0.99, False), (0.99, 0.79, False)])
def test_fixed_serves_from_the_threshold_on_unless_the_judge_refuses(cosine: float, score: float, served: bool) -> None:
    assert Fixed(0.9, min_score=0.8).rate(entry(), cosine, score, "").would_serve is served


def test_an_entrys_own_labels_move_its_risk() -> None:
    model = ScoreModel(Prior())
    fresh = model.risk(0.9, (), 0)
    assert model.risk(0.9, labels(0.9, 8), 0) < 0.6 * fresh
    assert model.risk(0.9, labels(0.9, 0, 3), 0) > 2 * fresh
    assert model.risk(0.9, labels(0.9, 0, 3), 0) > model.risk(0.9, labels(0.9, 3, 3), 0)


def test_a_higher_score_is_never_riskier() -> None:
    for observations in ((), labels(0.9, 3, 1)):
        risks = [ScoreModel(Prior()).risk(score, observations, 0) for score in (0.0, 0.2, 0.5, 0.8, 0.95, 1.0)]
        assert risks == sorted(risks, reverse=True)


def test_caution_counts_against_what_little_is_known() -> None:
    model = ScoreModel(Prior())
    before = model.risk(0.98, (), 1) / model.risk(0.98, (), 0)
    draw = Random(1)
    for n in range(600):
        score = draw.choice((0.3, 0.7, 0.9, 0.98))
        model.learn(str(n), Observation(score, draw.random() < score))
    assert before > 1.5
    assert model.risk(0.98, (), 1) / model.risk(0.98, (), 0) < before - 0.2


def test_the_tenants_own_calibration_is_found_from_its_labels() -> None:
    model, draw = ScoreModel(Prior()), Random(3)
    for n in range(3000):
        score = draw.uniform(0.02, 0.98)
        true = 1 / (1 + 2.718281828 ** -(1.3 * logit(score) - 1.0))
        model.learn(str(n), Observation(score, draw.random() < true))
    for score in (0.3, 0.6, 0.9):
        right = 1 / (1 + 2.718281828 ** -(1.3 * logit(score) - 1.0))
        assert model.risk(score, (), 0) == pytest.approx(1 - right, abs=0.05)


@pytest.mark.parametrize("bound", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("overconfidence", [0.0, 1.0])
def test_the_share_of_wrong_hits_stays_under_the_bound(bound: float, overconfidence: float) -> None:
    """Also for scores that claim more than is true: odds of 2.7 times too much."""
    hits = wrong = 0
    for seed in range(2):
        stream = Stream(Verified(bound, Prior()), Random(seed))
        stream.run(2500, overconfidence)
        hits, wrong = hits + stream.hits, wrong + stream.wrong
    assert wrong / hits <= bound
    assert hits > 300  # of 5,000 requests; one or two in seven deserve it, and learning has its price


def test_the_same_chance_gives_the_same_decisions() -> None:
    one, other = (Stream(Verified(0.02, Prior()), Random(5)) for _ in range(2))
    one.run(500)
    other.run(500)
    assert (one.hits, one.wrong) == (other.hits, other.wrong)


def test_tenants_learn_apart() -> None:
    verified = Verified(0.05, Prior())
    before = verified.rate(entry(tenant="rival"), 0.9, 0.99, "").risk
    for n in range(50):
        verified.learn("acme", Label(f"e{n}", 0.99, False, None))
    assert verified.rate(entry(tenant="rival"), 0.9, 0.99, "").risk == before
    assert verified.rate(entry(tenant="acme"), 0.9, 0.99, "").risk > 2 * before


def test_what_was_learned_is_recalled() -> None:
    known = [Label(f"e{n}", 0.99, n % 2 == 0, 0.01 if n % 5 == 0 else None) for n in range(100)]
    one, other = Verified(0.05, Prior()), Verified(0.05, Prior())
    for label in known:
        one.learn("acme", label)
    assert not other.knows("acme")
    other.recall("acme", known)
    assert other.knows("acme")
    risks = [verified.rate(entry(), 0.9, 0.99, "").risk for verified in (one, other)]
    assert risks[0] == pytest.approx(risks[1], abs=0.02)


def test_wrong_hits_past_what_was_expected_raise_the_factor_and_right_ones_lower_it() -> None:
    correction = Correction()
    at_first = correction.factor
    for _ in range(300):
        correction.add(0.01, True)
    assert 1 <= correction.factor < at_first
    for _ in range(10):
        correction.add(0.01, False)
    assert correction.factor > 2


def test_chance_explores_more_as_long_as_there_are_few_labels() -> None:
    verified = Verified(0.05, Prior())
    assert verified.explored("acme") == EXPLORED_AT_FIRST
    for n in range(200):
        verified.learn("acme", Label(f"e{n}", 0.99, True, 0.01))
    assert verified.explored("acme") == EXPLORED


def test_no_single_hit_is_riskier_than_the_cap() -> None:
    stream = Stream(Verified(0.02, Prior()), Random(2))
    stream.run(2000)
    ratings = [stream.verified.rate(entry(), 0.9, score / 1000, "") for score in range(1001)]
    assert 0.02 < max(rating.risk for rating in ratings if rating.would_serve) <= MAX_LIMIT * 0.02


@pytest.mark.parametrize("prior", [Prior(), COSINE_PRIOR])
def test_a_decision_is_quick_with_as_many_labels_as_an_entry_keeps(prior: Prior) -> None:
    verified, seen = Verified(0.02, prior), labels(0.9, MAX_OBSERVATIONS - 4, 4)
    best = min(_timed(verified, seen) for _ in range(20))
    assert best < 0.0002  # seconds


def _timed(verified: Verified, seen: tuple[Observation, ...]) -> float:
    started = time.perf_counter()
    verified.rate(entry(observations=seen), 0.9, 0.95, "")
    return time.perf_counter() - started
