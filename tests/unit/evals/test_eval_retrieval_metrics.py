"""Rankings and abstentions are scored as they would be by hand."""

import math

import pytest

from app.evals.retrieval.abstention import auc, best_threshold, judge_abstention
from app.evals.retrieval.bootstrap import paired_difference
from app.evals.retrieval.metrics import Hit, covers, ndcg, ranks, recall, reciprocal_rank
from app.evals.retrieval.questions import Place

PLACE = Place("a.md", ((100, 140),))


def test_a_hit_has_a_quote_when_it_holds_more_than_half_of_it() -> None:
    assert covers(Hit("a.md", 119, 500), PLACE)  # 21 of 40 characters
    assert not covers(Hit("a.md", 120, 500), PLACE)  # 20: the passage before may have as much
    assert not covers(Hit("b.md", 0, 500), PLACE)
    assert not covers(Hit("a.md", 300, 500), PLACE)


def test_a_quote_that_stands_twice_counts_at_either_place() -> None:
    twice = Place("a.md", ((100, 140), (900, 940)))

    assert covers(Hit("a.md", 890, 1000), twice)
    assert covers(Hit("a.md", 0, 200), twice)


def test_the_rank_is_that_of_the_first_hit_that_holds_the_gold() -> None:
    other = Place("b.md", ((0, 10),))
    hits = [Hit("c.md", 0, 9), Hit("a.md", 90, 150), Hit("a.md", 100, 140), Hit("b.md", 0, 10)]

    assert ranks(hits, [PLACE, other]) == (2, 4)
    assert ranks(hits[:1], [PLACE]) == (None,)


def test_hits_past_the_tenth_do_not_count() -> None:
    hits = [Hit("c.md", 0, 9)] * 10 + [Hit("a.md", 100, 140)]

    assert ranks(hits, [PLACE]) == (None,)


def test_recall_is_the_share_of_the_gold_among_the_first_k() -> None:
    assert recall((2, None), 1) == 0
    assert recall((2, None), 3) == 0.5
    assert recall((2, 5), 5) == 1


def test_reciprocal_rank_is_of_the_first_gold() -> None:
    assert reciprocal_rank((4, 2)) == 0.5
    assert reciprocal_rank((None,)) == 0


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((1,), 1.0),
        ((2,), 1 / math.log2(3)),
        ((None,), 0.0),
        ((1, 3), (1 + 0.5) / (1 + 1 / math.log2(3))),
        ((1, None), 1 / (1 + 1 / math.log2(3))),
        ((1, 1), 1.0),  # one hit holds both
        ((2, 2), 1 / math.log2(3)),
    ],
)
def test_ndcg_by_hand(found: tuple[int | None, ...], expected: float) -> None:
    assert ndcg(found) == pytest.approx(expected)


def test_abstentions_by_hand() -> None:
    answerable = [True, True, True, False, False]
    found = judge_abstention([0.9, 0.8, 0.1, 0.2, 0.7], answerable, [False, False, True, True, False])

    assert (found.abstained, found.right, found.unanswerable) == (2, 1, 2)
    assert (found.precision, found.recall, found.f1) == (0.5, 0.5, 0.5)
    # Of six pairs (0.9, 0.8, 0.1 with 0.2, 0.7) the answerable is surer in four.
    assert found.auc == pytest.approx(4 / 6)


def test_nothing_abstained_has_no_precision_and_an_f1_of_nought() -> None:
    found = judge_abstention([0.9, 0.2], [True, False], [False, False])

    assert math.isnan(found.precision)
    assert (found.recall, found.f1) == (0, 0)


def test_ties_count_half_and_one_sort_alone_has_no_auc() -> None:
    assert auc([0.5, 0.5], [True, False]) == 0.5
    assert math.isnan(auc([0.5, 0.4], [True, True]))


def test_the_best_threshold_separates_what_can_be_separated() -> None:
    confidences, answerable = [0.9, 0.8, 0.3, 0.2], [True, True, False, False]

    threshold = best_threshold(confidences, answerable)

    assert [value < threshold for value in confidences] == [False, False, True, True]


def test_a_difference_is_paired_seeded_and_sure_only_when_the_interval_leaves_out_nought() -> None:
    one, other = [1.0] * 30 + [0.0] * 70, [0.0] * 100

    difference = paired_difference(one, other)

    assert difference.mean == pytest.approx(0.3)
    # The binomial's 95% interval of 30 in 100 is 0.21 to 0.40.
    assert difference.low == pytest.approx(0.21, abs=0.015)
    assert difference.high == pytest.approx(0.39, abs=0.015)
    assert difference.is_sure
    assert difference == paired_difference(one, other)
    assert not paired_difference([1.0, 0.0], [0.0, 1.0]).is_sure


def test_equal_scores_differ_by_nothing_however_they_scatter() -> None:
    scores = [0.0, 1.0] * 20

    assert paired_difference(scores, scores).high == 0


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same questions"):
        paired_difference([1.0], [1.0, 0.0])
