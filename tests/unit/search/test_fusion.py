"""Reciprocal rank fusion, and the pool that is made with it."""

import pytest

from app.retrieval.fusion import fuse, ranks, reciprocal_rank_fusion
from app.retrieval.search.pool import pool
from app.retrieval.types import Candidate
from tests.unit.search.made import candidate


def test_scores_are_the_papers() -> None:
    scores = reciprocal_rank_fusion([["a", "b"], ["b", "c"]])

    assert list(scores) == ["b", "a", "c"]
    assert scores["b"] == pytest.approx(1 / 62 + 1 / 61)
    assert scores["a"] == pytest.approx(1 / 61)
    assert scores["c"] == pytest.approx(1 / 62)


def test_places_may_be_missing() -> None:
    assert fuse([{"a": 3}, {"b": 0, "a": 7}]) == {"b": 1 / 61, "a": 1 / 64 + 1 / 68}


def test_ranks_are_from_the_best_down_and_equals_keep_their_order() -> None:
    assert ranks({"a": 0.1, "b": 0.7, "c": 0.1}) == {"b": 0, "a": 1, "c": 2}


def test_two_good_places_beat_one_first_place() -> None:
    assert next(iter(reciprocal_rank_fusion([["a", "b", "c"], ["d", "b", "e"]]))) == "b"


def test_of_equals_the_first_seen_comes_first_and_nothing_fuses_to_nothing() -> None:
    assert list(reciprocal_rank_fusion([["x"], ["y"]])) == ["x", "y"]
    assert reciprocal_rank_fusion([]) == {}


def test_a_pool_holds_each_chunk_once_with_its_places() -> None:
    near, both, words = (
        candidate("near", 0.9, ranks=(0, None), document="n"),
        candidate("both", 0.5, 3.0, (1, 0), document="b"),
        candidate("words", None, 1.0, (None, 1), document="w"),
    )
    ((first, *rest),) = pool([[words, both, near]])

    assert first.candidate == both
    assert [each.candidate for each in rest] == [near, words]


def test_what_another_query_found_has_none_of_its_scores_here() -> None:
    mine, shared, other = (
        candidate(text, 0.4, 2.0, (rank, rank), document=text) for rank, text in enumerate(("mine", "shared", "other"))
    )
    first, second = pool([[mine, shared], [shared, other]])

    assert [each.candidate.chunk.document for each in first] == [each.candidate.chunk.document for each in second]
    assert first[0].candidate.chunk.document == "shared"
    foreign = next(each for each in first if each.candidate.chunk.document == "other")
    assert foreign.candidate == Candidate(other.chunk, other.vector, other.terms)
    assert next(each for each in second if each.candidate.chunk.document == "other").candidate == other
