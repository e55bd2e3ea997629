"""Scorers give the values that a hand gives, and None where nothing can be graded."""

import pytest

from app.evals import Answer, Citation, Sample, answer_contains, cited, mrr, recall_at_k
from app.evals.scorers import grade, standard_scorers


def sample(*documents: str, answers: tuple[str, ...] = ()) -> Sample:
    return Sample("q", "?", documents, answers)


def ranked(*documents: str, text: str = "") -> Answer:
    found = tuple(Citation(n, document, 1 / n) for n, document in enumerate(documents, start=1))
    return Answer("q", text, found)


@pytest.mark.parametrize(
    ("gold", "ranking", "k", "expected"),
    [
        (("a",), ("a", "b", "c"), 1, 1.0),
        (("c",), ("a", "b", "c"), 2, 0.0),
        (("a", "c"), ("a", "b", "c"), 2, 0.5),
        (("a", "c"), ("a", "b", "c"), 3, 1.0),
        (("c",), ("a", "a", "a", "b", "c"), 3, 1.0),  # passages of one document count once
        (("a",), (), 5, 0.0),  # nothing found is a miss
        (("a", "a"), ("a",), 1, 1.0),
    ],
)
def test_recall_at_k(gold: tuple[str, ...], ranking: tuple[str, ...], k: int, expected: float) -> None:
    assert recall_at_k(k)(sample(*gold), ranked(*ranking)) == expected


@pytest.mark.parametrize(
    ("gold", "ranking", "expected"),
    [
        (("a",), ("a", "b"), 1.0),
        (("c",), ("a", "b", "c"), 1 / 3),
        (("c", "b"), ("a", "b", "c"), 1 / 2),
        (("c",), ("a", "a", "c"), 1 / 2),
        (("z",), ("a", "b"), 0.0),
    ],
)
def test_mrr(gold: tuple[str, ...], ranking: tuple[str, ...], expected: float) -> None:
    assert mrr(sample(*gold), ranked(*ranking)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("phrases", "text", "expected"),
    [
        (("three folders",), "It has  THREE\n folders.", 1.0),
        (("x", "8000"), "The port is 8000.", 1.0),
        (("8000",), "The port is 80000.", 0.0),
        (("5",), "It takes 1.5 s.", 0.0),
        (("5",), "It takes 5.", 1.0),
        (("1.5",), "It takes 1.5 s", 1.0),
        (("30 s",), "30\u00a0s", 1.0),  # a no-break space is white space
        (("STRASSE",), "straße", 1.0),
        (("a+b",), "aab", 0.0),  # phrases are text, not patterns
        (("yes",), "", 0.0),
    ],
)
def test_answer_contains(phrases: tuple[str, ...], text: str, expected: float) -> None:
    assert answer_contains(sample(answers=phrases), ranked(text=text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is so [2].", 1.0),
        ("It is so [1][2].", 1.0),
        ("It is so [1, 2].", 1.0),
        ("It is so [1].", 0.0),  # a mark, but of another document
        ("It is so [3].", 0.0),  # a mark of nothing
        ("It is so.", 0.0),
        ("It is so [b].", 0.0),
    ],
)
def test_cited(text: str, expected: float) -> None:
    assert cited(sample("b"), ranked("a", "b", text=text)) == expected


def test_without_gold_documents_ranking_and_citing_are_unscored() -> None:
    answer = ranked("a", text="[1]")
    assert recall_at_k(1)(sample(), answer) is None
    assert mrr(sample(), answer) is None
    assert cited(sample(), answer) is None


def test_without_key_phrases_the_text_is_unscored() -> None:
    assert answer_contains(sample("a"), ranked("a", text="a")) is None


def test_without_retrieval_ranking_and_citing_are_unscored() -> None:
    verdicts = grade(standard_scorers(3), sample("a", answers=("yes",)), Answer("q", "Yes [1]."))
    assert verdicts == {"recall_at_3": None, "mrr": None, "answer_contains": 1.0, "cited": None}


def test_a_failed_answer_is_unscored_and_never_zero() -> None:
    failed = Answer("q", "partial", (Citation(1, "a", 0.9),), error="500: a bug")
    assert set(grade(standard_scorers(5), sample("a", answers=("yes",)), failed).values()) == {None}


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        recall_at_k(0)
