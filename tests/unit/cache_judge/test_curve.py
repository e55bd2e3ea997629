"""Hits against wrong hits, half of the pairs being traps however many there are."""

import math

import numpy as np
import pytest

from app.evals.cache_judge.curve import curve_of
from app.evals.cache_judge.groups import NEAR_REPEAT, PARAPHRASE

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
SAME = np.array([True, True, False, True, False, False])
KINDS = np.array([NEAR_REPEAT, PARAPHRASE, "number", PARAPHRASE, "unit", "unit"])


def test_the_threshold_is_the_lowest_that_keeps_the_share() -> None:
    curve = curve_of(SCORES, SAME, KINDS)
    assert 0.7 < curve.threshold_for(0.0) < 0.8
    assert 0.5 < curve.threshold_for(0.25) < 0.6


def test_no_threshold_keeps_it_when_the_first_is_wrong() -> None:
    assert curve_of(SCORES, ~SAME, KINDS).threshold_for(0.01) == math.inf


def test_ties_stay_together() -> None:
    curve = curve_of(np.array([0.5, 0.5, 0.4]), np.array([True, False, True]), np.array(["a", "b", "a"]))
    assert curve.threshold_for(0.1) == math.inf


def test_shares_do_not_depend_on_how_many_traps_there_are() -> None:
    once = curve_of(SCORES, SAME, KINDS).at(0.65)
    traps = ~SAME
    more = curve_of(
        np.concatenate([SCORES, SCORES[traps]]),
        np.concatenate([SAME, SAME[traps]]),
        np.concatenate([KINDS, KINDS[traps]]),
    ).at(0.65)
    assert once.wrong.value == pytest.approx(more.wrong.value)
    assert once.wrong.value == pytest.approx((1 / 3) / (1 / 3 + 2 / 3))
    assert (once.near_repeats, once.paraphrases) == (1.0, 0.5)
