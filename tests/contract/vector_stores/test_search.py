"""What the two searches find, and what comes with it."""

import asyncio

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from app.errors import Unavailable
from app.retrieval.server_store import ServerStore
from app.retrieval.terms import document_terms, query_terms
from app.retrieval.types import Candidate, MetadataValue, Reader, StoredDocument, Terms, VectorStore
from tests.contract.vector_stores.making import ACME, DIMENSIONS, chunk, chunks, near, put, saying, stage, vector


async def test_the_nearest_are_found_with_everything_that_was_stored(store: VectorStore) -> None:
    metadata: dict[str, MetadataValue] = {"year": 2024, "kind": "x", "ratio": 0.5, "ok": True}
    await put(store, *chunks("a.md", 5), chunk("b.md", text="x", groups=("hr",), metadata=metadata))
    found = await near(store, seed=3, limit=2)
    assert len(found) == 2
    assert found[0].chunk == chunks("a.md", 5)[3]
    assert found[0].cosine == pytest.approx(1.0, abs=1e-5)
    assert found[0].bm25 is None
    assert np.allclose(found[0].vector, vector(3), atol=1e-6)
    assert found[0].vector.dtype == np.float32
    terms = document_terms(found[0].chunk)
    assert found[0].terms.indices.tolist() == list(terms.indices)
    assert found[0].terms.values == pytest.approx(np.array(terms.values))
    [b] = [c.chunk for c in await near(store, Reader("acme", ("hr",))) if c.chunk.document == "b.md"]
    assert b == chunk("b.md", text="x", groups=("hr",), metadata=metadata)
    assert [type(value) for value in b.metadata.values()] == [int, str, float, bool]


async def test_terms_find_what_the_vector_misses(store: VectorStore) -> None:
    texts = [f"About the subject number {at}, in general terms." for at in range(30)]
    texts[17] = "Set VLLM_CPU_KVCACHE_SPACE before the start."
    await put(store, *(chunk(f"{at}.md", at, text) for at, text in enumerate(texts[:1])))
    await put(store, *(chunk("all.md", at, text) for at, text in enumerate(texts)))
    dense = await near(store, seed=3, limit=3)
    assert 17 not in [c.chunk.ordinal for c in dense]
    assert [c.chunk.ordinal for c in await saying(store, "vllm_cpu_kvcache_space")] == [17]
    both = await store.search(ACME, vector(3), query_terms("VLLM_CPU_KVCACHE_SPACE"), 3)
    assert len(both) == 4
    [only] = [c for c in both if c.chunk.ordinal == 17]
    assert only.cosine is None
    assert only.bm25 is not None
    assert np.allclose(only.vector, vector(17), atol=1e-6)


async def test_a_chunk_that_both_find_comes_once_with_both_scores(store: VectorStore) -> None:
    await put(store, chunk("a.md", 0, "a grey heron"), chunk("b.md", 0, "a bear"))
    found = await store.search(ACME, vector(0), query_terms("heron"), 10)
    assert sorted((c.chunk.document, c.bm25 is None) for c in found) == [("a.md", False), ("b.md", True)]
    assert all(c.cosine is not None for c in found)


async def test_bm25_is_what_the_formula_says(store: VectorStore) -> None:
    await put(store, chunk("a.md", 0, "heron heron fish"), chunk("b.md", 0, "heron"), chunk("c.md", 0, "bear"))
    best = await saying(store, "heron fish")
    assert [c.chunk.document for c in best] == ["a.md", "b.md"]

    def idf(n: int) -> float:
        return float(np.log((3 - n + 0.5) / (n + 0.5) + 1))

    def tf(count: int, length: int) -> float:
        return count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / 100))

    # Title and heading are two words more: T and B, for A is a stop word.
    assert best[0].bm25 == pytest.approx(idf(2) * tf(2, 5) + idf(1) * tf(1, 5), rel=1e-4)
    assert best[1].bm25 == pytest.approx(idf(2) * tf(1, 3), rel=1e-4)


async def test_nothing_is_asked_nothing_is_found(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 3))
    assert await store.search(ACME, None, None, 5) == []
    assert await store.search(ACME, None, Terms((), ()), 5) == []
    assert await store.search(ACME, vector(0), None, 0) == []
    assert await saying(store, "unheard-of") == []


async def test_neighbours_come_in_order(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 9), *chunks("b.md", 3))
    assert await store.around(ACME, "a.md", 3, 5) == chunks("a.md", 9)[3:6]
    assert await store.around(ACME, "a.md", -2, 1) == chunks("a.md", 9)[:2]
    assert await store.around(ACME, "a.md", 7, 70) == chunks("a.md", 9)[7:]
    assert await store.around(ACME, "a.md", 5, 3) == await store.around(ACME, "c.md", 0, 3) == []
    await stage(store, chunks("a.md", 2, content_hash="v2"))
    assert len(await store.around(ACME, "a.md", 0, 99)) == 9
    await store.commit("acme")
    assert await store.around(ACME, "a.md", 0, 99) == chunks("a.md", 2, content_hash="v2")


async def test_documents_are_listed_with_what_is_known_of_them(store: VectorStore) -> None:
    await put(store, *chunks("b.md", 2), chunk("a.md", groups=("hr",), metadata={"year": 2024}))
    assert await store.documents("acme") == [
        StoredDocument("a.md", "v1", 1, "T", ("hr",), {"year": 2024}),
        StoredDocument("b.md", "v1", 2, "T"),
    ]


async def test_more_than_a_page_is_read_to_its_end(store: VectorStore) -> None:
    long, many = chunks("long.md", 1205), [chunk(f"{at:04}.md", text=f"word{at}") for at in range(1010)]
    await put(store, *long, *many)
    described = await store.describe("acme")
    assert (described.documents, described.chunks) == (1011, 2215)
    assert [d.name for d in await store.documents("acme")] == sorted([*(c.document for c in many), "long.md"])
    assert await store.around(ACME, "long.md", 0, 2000) == long
    exported = [pair async for pair in store.export("acme")]
    assert [c for c, _ in exported] == [*many, *long]
    assert all(np.allclose(v, vector(c.ordinal), atol=1e-6) for c, v in exported)
    assert [c.chunk.document for c in await saying(store, "word1007")] == ["1007.md"]


async def test_an_export_of_all_has_every_tenant(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 2), *chunks("a.md", 3, tenant="rival"))
    await stage(store, chunks("b.md", 2, tenant="third"))
    assert [c.tenant async for c, _ in store.export(None)] == ["acme"] * 2 + ["rival"] * 3
    assert [c.tenant async for c, _ in store.export("rival")] == ["rival"] * 3


async def test_an_export_beside_a_commit_says_that_it_is_not_one_state(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 1200), *chunks("b.md", 1200))
    export = store.export("acme")
    await anext(export)
    await put(store, *chunks("b.md", 1, content_hash="v2"))
    with pytest.raises(Unavailable, match="changed"):
        assert [c async for c, _ in export] == []


async def test_searches_beside_a_commit_see_one_version_or_the_other(store: VectorStore) -> None:
    await put(store, *(c for at in range(20) for c in chunks(f"{at}.md", 2)))
    seen: set[frozenset[tuple[str, int]]] = set()
    done = asyncio.Event()

    async def look() -> None:
        while not done.is_set():
            hashes = [c.chunk.content_hash for c in await near(store, limit=100)]
            seen.add(frozenset((each, hashes.count(each)) for each in hashes))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    for version in ("v2", "v3"):
        await stage(store, [c for at in range(20) for c in chunks(f"{at}.md", 3, content_hash=version)])
        await asyncio.sleep(0.01)
        await store.commit("acme")
        await asyncio.sleep(0.01)
    done.set()
    await looking
    assert seen == {frozenset({("v1", 40)}), frozenset({("v2", 60)}), frozenset({("v3", 60)})}


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    store = ServerStore.connect("http://127.0.0.1:9", "test", DIMENSIONS, 1000)
    with pytest.raises(Unavailable):
        await near(store)
    with pytest.raises(Unavailable):
        await stage(store, chunks("a.md", 1))
    await store.close()


async def test_the_first_questions_to_an_empty_server_are_all_answered() -> None:
    class Slow(AsyncQdrantClient):
        """As over a network: others get to run between two calls."""

        async def collection_exists(self, collection_name: str, **options: object) -> bool:
            exists = await super().collection_exists(collection_name, **options)
            await asyncio.sleep(0.01)
            return exists

    store = ServerStore(Slow(location=":memory:"), "test", DIMENSIONS)
    assert await asyncio.gather(*(near(store) for _ in range(5))) == [[]] * 5
    await store.close()


async def test_of_what_both_searches_find_the_best_by_fusion_are_kept_with_their_ranks(store: VectorStore) -> None:
    texts = ["a heron", "a bear", "a heron, a heron", "a fish", "nothing"]
    await put(store, *(chunk("a.md", at, text) for at, text in enumerate(texts)))
    found = await store.search(ACME, vector(0), query_terms("heron"), 5)
    assert len(found) == 5
    places = {
        each.chunk.ordinal: 1 / (61 + at) for at, each in enumerate(sorted(found, key=lambda c: -(c.cosine or 0)))
    }
    said = sorted((each for each in found if each.bm25 is not None), key=lambda c: -(c.bm25 or 0))
    for at, each in enumerate(said):
        places[each.chunk.ordinal] += 1 / (61 + at)
    best = sorted(places, key=lambda ordinal: -places[ordinal])
    scores = {_scores(each) for each in found}
    assert {each.dense_rank for each in found} == set(range(5))
    assert {each.sparse_rank for each in said} == set(range(len(said)))
    for keep in (1, 2, 4):
        kept = await store.search(ACME, vector(0), query_terms("heron"), 5, keep=keep)
        assert {each.chunk.ordinal for each in kept} == set(best[:keep])
        assert {_scores(each) for each in kept} <= scores


def _scores(found: Candidate) -> tuple[object, ...]:
    return found.chunk.ordinal, found.cosine, found.bm25, found.dense_rank, found.sparse_rank
