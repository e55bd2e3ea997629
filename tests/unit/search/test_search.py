"""The whole search, over a store in memory that compares with everything."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from app.config import RetrievalConfig
from app.errors import Unavailable
from app.retrieval.search.evidence import FEATURES
from app.retrieval.search.relevance import Relevance
from app.retrieval.search.rerank import Reranking
from app.retrieval.search.search import JUDGED, Search
from app.retrieval.types import Candidate, Comparison, Reader
from tests.unit.search.exact_store import ExactStore
from tests.unit.search.made import READER, SETTINGS, bag, chunk, request, search_of, store_of

TEXTS = [
    "Refunds take five days once the parcel is back.",
    "Parcels are sent from Oslo on Monday.",
    "The office closes at six.",
    "Invoices are paid within a month.",
    "Gift cards cannot be exchanged for money.",
]


async def test_the_answer_is_first_and_scores_fall() -> None:
    found = await search_of(store_of(TEXTS)).search(request("How long do refunds take?"))

    assert found.relevant
    assert found.passages[0].chunk.text == TEXTS[0]
    scores = [passage.score for passage in found.passages]
    assert scores == sorted(scores, reverse=True)
    assert found.best == scores[0] > 0.25
    assert len(scores) == 4


async def test_a_question_that_nothing_answers_is_abstained_from_with_its_passages() -> None:
    found = await search_of(store_of(TEXTS)).search(request("Who painted the ceiling of the Sistine chapel?"))

    assert not found.relevant
    assert found.best < 0.25
    assert found.passages


async def test_the_threshold_is_the_requests() -> None:
    search = search_of(store_of(TEXTS))
    best = (await search.search(request("How long do refunds take?"))).best
    assert not (await search.search(request("How long do refunds take?", min_relevance=best + 0.001))).relevant
    assert (await search.search(request("unrelated zebra", min_relevance=0.0))).relevant


async def test_an_empty_knowledge_base_has_nothing() -> None:
    found = await search_of(store_of([chunk("x", tenant="other")])).search(request("How long do refunds take?"))
    assert (found.passages, found.relevant, found.best) == ((), False, 0.0)


async def test_reader_filter_and_depth_reach_the_store() -> None:
    store = store_of(TEXTS)
    where = Comparison("year", "eq", 2026)
    reader = Reader("acme", ("staff",))
    await search_of(store).search(request("refunds", reader=reader, where=where))
    await search_of(store).search(request("refunds", limit=50))

    assert store.asked == [(reader, True, True, 40, where), (READER, True, True, 50, None)]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"mode": "dense"}, (True, False)),
        ({"mode": "sparse"}, (False, True)),
        ({"vector": None}, (False, True)),
        ({"query": "what is it?"}, (True, False)),  # stop words have no terms
    ],
)
async def test_the_mode_says_which_search_is_asked(fields: dict[str, object], asked: tuple[bool, bool]) -> None:
    store = store_of(TEXTS)
    query = str(fields.pop("query", "refunds"))
    found = await search_of(store).search(request(query, **fields))
    assert [each[1:3] for each in store.asked] == [asked]
    assert all(0 <= passage.score <= 1 for passage in found.passages)


async def test_where_nothing_can_be_asked_nothing_is() -> None:
    store = store_of(TEXTS)
    assert (await search_of(store).search(request("what is it?", vector=None))).passages == ()
    assert store.asked == []


async def test_further_queries_find_what_the_first_does_not() -> None:
    search = search_of(store_of(TEXTS), RetrievalConfig(candidates=5, neighbours=0))
    alone = await search.search(request("reimbursement duration", limit=1))
    more = ("How long do refunds take?", bag("How long do refunds take?"))
    fused = await search.search(request("reimbursement duration", limit=1, also=(more,)))

    assert fused.passages[0].chunk.text == TEXTS[0]
    assert fused.best > alone.best


async def test_what_is_not_judged_is_not_read_and_changes_nothing() -> None:
    texts = [f"refund number {at} after {'a long ' * (at % 7)}wait" for at in range(60)]
    every_feature = Relevance(np.linspace(0.1, 0.5, len(FEATURES)), -4.0, 0.25)
    asked = request("refund after a wait", limit=5)
    found = await Search(store_of(texts), SETTINGS, every_feature).search(asked)
    read = Reading()
    read.add(store_of(texts).chunks, store_of(texts).vectors)
    assert await Search(read, SETTINGS, every_feature).search(asked) == found
    assert read.read == [JUDGED]


async def test_repeats_are_left_out() -> None:
    found = await search_of(store_of([TEXTS[0], TEXTS[0].upper(), TEXTS[1]])).search(request("refunds take", limit=3))
    assert [passage.chunk.document for passage in found.passages] == ["0.md", "2.md"]


async def test_diversity_lets_another_passage_in_and_keeps_the_order() -> None:
    texts = ["refunds take days", "refunds take days surely", "refunds need a receipt", "bread"]
    search = search_of(store_of(texts))
    plain = await search.search(request("refunds take days", limit=2))
    diverse = await search.search(request("refunds take days", limit=2, diversity=0.7))

    assert [p.chunk.text for p in plain.passages] == texts[:2]
    assert diverse.passages[0] == plain.passages[0]
    assert diverse.passages[1].chunk.text != texts[1]


async def test_neighbours_of_relevant_hits_come_beside_them_once() -> None:
    parts = [chunk(text, "book.md", at) for at, text in enumerate(["Before.", TEXTS[0], "After.", "Later."])]
    store = store_of([*parts, chunk(TEXTS[2], "other.md")])
    found = await search_of(store).search(request("How long do refunds take?", neighbours=1, limit=1))

    assert [p.chunk.ordinal for p in found.beside] == [0, 2]
    assert all(p.is_neighbour and p.score == found.best for p in found.beside)
    assert store.looked == [("book.md", 0, 2)]
    assert found.everything == (*found.passages, *found.beside)
    store.looked.clear()
    none = await search_of(store).search(request("Sistine chapel ceiling painter", neighbours=1, min_relevance=0.9))
    assert (none.beside, store.looked) == ((), [])


async def test_neighbours_that_the_reader_may_not_see_or_of_another_version_are_left_out() -> None:
    parts = [
        chunk("Secret.", "book.md", 0, groups=("board",)),
        chunk(TEXTS[0], "book.md", 1),
        chunk("New version.", "book.md", 2, content_hash="other"),
    ]
    found = await search_of(store_of(parts)).search(request("How long do refunds take?", neighbours=1, limit=1))
    assert found.passages[0].chunk.ordinal == 1
    assert found.beside == ()


async def test_a_store_that_is_away_is_told() -> None:
    store = store_of(TEXTS)
    store.error = Unavailable("away")
    with pytest.raises(Unavailable):
        await search_of(store).search(request("refunds"))


class Upside:
    """Likes the shortest text best."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[str, list[str]]] = []

    async def score(self, query: str, texts: Sequence[str]) -> list[float]:
        self.calls.append((query, list(texts)))
        if self.error:
            raise self.error
        return [50.0 - len(text) for text in texts]


async def test_a_reranker_has_the_last_word_about_those_it_sees() -> None:
    reranker = Upside()
    settings = RetrievalConfig.model_validate({"neighbours": 0, "rerank": {"model": "x", "candidates": 3}})
    search = search_of(store_of(TEXTS), settings, Reranking(reranker, 1000))
    found = await search.search(request("refunds parcel office", limit=4))

    ((query, texts),) = reranker.calls
    assert (query, len(texts)) == ("refunds parcel office", 3)
    assert found.passages[0].chunk.text == min(texts, key=len)
    scores = [passage.score for passage in found.passages]
    assert scores == sorted(scores, reverse=True)
    await search.search(request("refunds", rerank=False))
    assert len(reranker.calls) == 1


async def test_a_reranker_that_fails_costs_only_its_order_and_is_counted() -> None:
    reranking = Reranking(Upside(RuntimeError("no")), 1000)
    found = await search_of(store_of(TEXTS), SETTINGS_WITH, reranking).search(request("How long do refunds take?"))
    plain = await search_of(store_of(TEXTS)).search(request("How long do refunds take?"))

    assert found == plain
    assert reranking.failures.count == 1


SETTINGS_WITH = RetrievalConfig.model_validate({"neighbours": 0, "rerank": {"model": "x"}})


async def test_documents_of_a_request_are_judged_by_the_reranker_or_without_it() -> None:
    store = store_of(TEXTS)
    vectors = [bag("refunds take"), *map(bag, TEXTS)]
    by_model = await search_of(store, SETTINGS_WITH, Reranking(Upside(), 1000)).rerank("refunds take", TEXTS, [])
    by_words = await search_of(store).rerank("refunds take", TEXTS, vectors)

    assert max(by_model) == by_model[TEXTS.index(min(TEXTS, key=len))]
    assert max(by_words) == by_words[0]
    failing = search_of(store, SETTINGS_WITH, Reranking(Upside(ValueError()), 1000))
    assert await failing.rerank("refunds take", TEXTS, vectors) == by_words
    assert await search_of(store).rerank("x", [], []) == []


class Reading(ExactStore):
    """Hands over all that it finds in place of the best alone, and keeps how many were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int | None] = []

    async def search(self, *args: Any) -> list[Candidate]:
        self.read.append(args[5])
        return await super().search(*args[:5])
