"""What readers see of a change, and when."""

import numpy as np
import pytest

from app.errors import InvalidRequest
from app.retrieval.types import VectorStore
from tests.contract.vector_stores.making import ACME, DIMENSIONS, chunk, chunks, names, near, put, saying, stage, vector


async def test_what_is_staged_is_seen_by_nobody_before_the_commit(store: VectorStore) -> None:
    await stage(store, chunks("a.md", 3))
    assert await names(store) == await names(store, words="a.md") == []
    assert await store.documents("acme") == []
    assert await store.around(ACME, "a.md", 0, 9) == []
    assert [pair async for pair in store.export(None)] == []
    assert (await store.describe("acme")).chunks == 0
    assert await store.staged("acme") == {"a.md": "v1"}

    await store.commit("acme")
    assert await names(store) == await names(store, words="a.md") == ["a.md"]
    assert await store.staged("acme") == {}


async def test_a_changed_document_is_old_before_the_commit_and_new_after(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 5), *chunks("b.md", 2))
    await stage(store, chunks("a.md", 2, content_hash="v2"))
    seen = [c.chunk for c in await near(store) if c.chunk.document == "a.md"]
    assert (len(seen), {c.content_hash for c in seen}) == (5, {"v1"})
    assert await store.staged("acme") == {"a.md": "v2"}

    await store.commit("acme")
    seen = [c.chunk for c in await near(store) if c.chunk.document == "a.md"]
    assert (sorted(c.ordinal for c in seen), {c.content_hash for c in seen}) == ([0, 1], {"v2"})
    assert (await store.describe("acme")).hashes == {"a.md": "v2", "b.md": "v1"}


async def test_a_removal_is_staged_too(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 3), *chunks("b.md", 2))
    await store.stage_removal("acme", ["b.md", "never-there.md"])
    assert await names(store) == ["a.md", "b.md"]
    assert await store.staged("acme") == {"b.md": None}
    await store.commit("acme")
    assert await names(store) == ["a.md"]
    await store.stage_removal("acme", [])
    await store.commit("acme")
    assert await names(store) == ["a.md"]


async def test_the_last_that_was_staged_of_a_document_counts(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 1), *chunks("b.md", 1))
    await stage(store, chunks("a.md", 6, content_hash="v2"))
    await stage(store, chunks("a.md", 2, content_hash="v3"))
    await stage(store, chunks("b.md", 2, content_hash="v2"))
    await stage(store, chunks("new.md", 2))
    await store.stage_removal("acme", ["b.md", "new.md"])
    assert await store.staged("acme") == {"a.md": "v3", "b.md": None}
    await store.stage_removal("acme", ["a.md"])
    await stage(store, chunks("a.md", 3, content_hash="v4"))
    assert await store.staged("acme") == {"a.md": "v4", "b.md": None}
    await store.commit("acme")
    described = await store.describe("acme")
    assert (described.hashes, described.chunks) == ({"a.md": "v4"}, 3)


async def test_the_same_document_again_changes_nothing(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 4))
    before, found = await store.describe("acme"), await near(store)
    await stage(store, chunks("a.md", 4))
    assert await store.describe("acme") == before
    await stage(store, chunks("a.md", 4))
    await store.commit("acme")
    await store.commit("acme")
    assert await store.describe("acme") == before
    assert [c.chunk for c in await near(store)] == [c.chunk for c in found]


async def test_a_document_that_became_shorter_under_the_same_hash_keeps_nothing_of_before(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 5), *chunks("b.md", 3))
    await put(store, *chunks("a.md", 2))
    assert (await store.describe("acme")).chunks == 5
    assert sorted(c.chunk.ordinal for c in await near(store) if c.chunk.document == "a.md") == [0, 1]


async def test_what_is_discarded_leaves_no_trace(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 2), *chunks("b.md", 2))
    before = await store.describe("acme")
    await stage(store, [*chunks("a.md", 3, content_hash="v2"), *chunks("c.md", 3)])
    await store.stage_removal("acme", ["b.md"])
    await store.discard("acme")
    assert await store.staged("acme") == {}
    await store.commit("acme")
    assert await store.describe("acme") == before
    assert await names(store) == ["a.md", "b.md"]
    await store.discard("nobody")


async def test_deleting_at_once_leaves_what_is_staged(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 2), *chunks("b.md", 2), *chunks("c.md", 2))
    await stage(store, [*chunks("b.md", 3, content_hash="v2"), *chunks("d.md", 3)])
    await store.stage_removal("acme", ["c.md"])
    await store.delete("acme", ["a.md", "b.md", "d.md", "never-there.md"])
    assert await names(store) == ["c.md"]
    assert await store.staged("acme") == {"b.md": "v2", "c.md": None, "d.md": "v1"}
    await store.commit("acme")
    assert (await store.describe("acme")).hashes == {"b.md": "v2", "d.md": "v1"}


async def test_tenants_change_apart(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 3, tenant="rival"))
    await stage(store, chunks("a.md", 2, tenant="rival", content_hash="v2"))
    await put(store, *chunks("a.md", 1))
    await store.discard("acme")
    await store.delete("acme", ["a.md"])
    assert (await store.describe("rival")).chunks == 3
    assert await store.staged("rival") == {"a.md": "v2"}
    await store.commit("rival")
    assert (await store.describe("rival")).chunks == 2
    assert (await store.describe("acme")).chunks == 0


async def test_the_version_says_what_is_there(store: VectorStore) -> None:
    empty = await store.describe("acme")
    await put(store, *chunks("a.md", 3), *chunks("b.md", 2))
    both = await store.describe("acme")
    assert (both.documents, both.chunks, both.hashes) == (2, 5, {"a.md": "v1", "b.md": "v1"})
    await store.delete("acme", ["b.md"])
    one = await store.describe("acme")
    await put(store, *chunks("a.md", 3, content_hash="v2"))
    changed = await store.describe("acme")
    assert len({empty.version, both.version, one.version, changed.version}) == 4
    await put(store, *chunks("a.md", 3, content_hash="v1"))
    assert (await store.describe("acme")).version == one.version


async def test_only_whole_documents_with_true_vectors_are_staged(store: VectorStore) -> None:
    wrong = [
        ([chunk("a.md", 0), chunk("a.md", 2)], [vector(0), vector(2)]),
        ([chunk("a.md", 1)], [vector(1)]),
        ([chunk("a.md", 0), chunk("a.md", 0)], [vector(0), vector(0)]),
        ([chunk("a.md")], []),
        ([chunk("a.md")], [np.full(DIMENSIONS, np.nan, dtype=np.float32)]),
        ([chunk("a.md")], [np.ones(DIMENSIONS + 1, dtype=np.float32)]),
        ([chunk("a.md", tenant="rival")], [vector(0)]),
    ]
    for made, vectors in wrong:
        with pytest.raises(ValueError, match=r"a\.md|vectors|acme"):
            await store.stage("acme", made, vectors)
    with pytest.raises(InvalidRequest):
        await stage(store, [chunk("\ud800")])
    await store.stage("acme", [], [])
    assert await store.staged("acme") == {}
    await put(store, chunk("a.md", text="half a pair \ud83d and more"))
    assert [c.chunk.text for c in await saying(store, "pair")] == ["half a pair ? and more"]
