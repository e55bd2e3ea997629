"""What speaks for a candidate: words, their weight, identifiers, meaning."""

import math

import numpy as np
import pytest

from app.retrieval.search.commonness import commonness_idf
from app.retrieval.search.evidence import FEATURES, INDEX, evidence
from app.retrieval.search.question import Question
from app.retrieval.terms import document_terms, query_terms
from app.retrieval.types import Candidate
from tests.unit.search.made import bag, candidate, ranked, request, search_of, store_of


def told(query: str, *candidates: Candidate, by_meaning: bool = True) -> list[dict[str, float]]:
    rows = evidence(Question.of(query), bag(query) if by_meaning else None, ranked(*candidates))
    return [dict(zip(FEATURES, map(float, row), strict=True)) for row in rows]


def idf_of(word: str) -> float:
    return float(commonness_idf(np.array(query_terms(word).indices, dtype=np.uint32))[0])


def test_rare_words_tell_more_than_common_ones() -> None:
    assert idf_of("people") < idf_of("computers") < idf_of("qdrant") == idf_of("4711")


def test_coverage_weighs_words_by_what_they_tell_and_sees_stems_and_headings() -> None:
    query = "refund people"
    rare, common, title = told(
        query, candidate("It is refunded."), candidate("Some people."), candidate("Text.", title="Refunds for people")
    )
    assert rare["coverage"] > 2 * common["coverage"] > 0
    assert (rare["rarest"], common["rarest"], title["rarest"]) == (1, 0, 1)
    assert (title["coverage"], title["heading_coverage"], rare["heading_coverage"]) == (1, 1, 0)
    assert common["coverage_gap"] == pytest.approx(1 - common["coverage"])


def test_a_word_that_no_candidate_holds_is_missing() -> None:
    (one, _) = told("refund zeppelin", candidate("A refund."), candidate("Another refund."))
    assert 0.3 < one["missing"] < 0.7
    (one,) = told("refund", candidate("A refund."))
    assert one["missing"] == 0


def test_identifiers_and_numbers_count_to_the_letter() -> None:
    query = "max_model_len above 2048"
    both, one, none = told(
        query, candidate("Set MAX_MODEL_LEN to 2048."), candidate("max_model_len: 20480"), candidate("max model length")
    )
    assert (both["exact"], one["exact"], none["exact"]) == (1, 0.5, 0)
    assert none["exact_missing"] == 1
    assert told("how are you", candidate("fine"))[0]["exact_missing"] == 0


def test_neighbouring_words_count_as_phrases() -> None:
    together, apart = told("exact cache", candidate("The exact cache is small."), candidate("The cache is not exact."))
    assert (together["phrases"], apart["phrases"]) == (1, 0)
    assert together["coverage"] == apart["coverage"] == 1


def test_words_that_stand_together_are_nearer_than_the_same_apart() -> None:
    far = "The refund. " + "Something else entirely. " * 20 + "A parcel."
    near, apart = told("parcel refunds", candidate("Refunded parcels. " + "Else. " * 50), candidate(far))
    assert near["proximity"] == pytest.approx(1)
    assert 0 < apart["proximity"] < 0.8
    assert apart["proximity_gap"] == pytest.approx(1 - apart["proximity"])
    assert told("policies here", candidate("A policy is kept."))[0]["proximity"] == 1


def test_without_a_vector_nothing_is_said_by_meaning() -> None:
    (row,) = told("refund", candidate("A refund.", None, 3.0), by_meaning=False)
    assert row["no_vector"] == 1
    assert [row[name] for name in FEATURES if name.startswith("cosine")] == [0.0] * 4
    (row,) = told("refund", candidate("A refund."))
    assert (row["no_vector"], row["cosine"] > 0.3) == (0, True)


def test_a_query_of_stop_words_alone_has_no_words() -> None:
    (row,) = told("what is it?", candidate("It is what it is."))
    assert (row["coverage"], row["missing"], row["terms"]) == (0, 0, 1)
    assert all(map(math.isfinite, row.values()))


def test_nothing_found_is_no_row() -> None:
    assert evidence(Question.of("x"), None, []).shape == (0, len(INDEX))


async def test_the_collections_own_document_frequencies_are_told_from_the_scores() -> None:
    """In this collection "people" is rare and "refund" is everywhere: general English would say the opposite."""
    texts = [f"refund number {at}" for at in range(30)] + ["people and refund", "nothing at all"]
    search = search_of(store_of(texts))
    (pooled,) = await search.candidates(request("refund people"))
    question = Question.of("refund people")
    rows = [
        dict(zip(terms.indices, terms.values, strict=True))
        for terms in (document_terms(each.candidate.chunk) for each in pooled)
    ]
    weights = np.array([[row.get(int(term), 0.0) for term in question.terms] for row in rows])
    found = question.idf(weights, [each.candidate.bm25 for each in pooled])

    def true(n: int) -> float:
        return math.log((len(texts) - n + 0.5) / (n + 0.5) + 1)

    by_word = dict(zip(question.terms.tolist(), found, strict=True))
    assert by_word[query_terms("people").indices[0]] == pytest.approx(true(1), rel=0.05)
    assert by_word[query_terms("refund").indices[0]] == pytest.approx(true(31), rel=0.05, abs=0.05)
