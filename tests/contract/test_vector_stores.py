"""One suite for every place where chunks may lie."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from app.errors import Unavailable
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.server_store import ServerStore
from app.retrieval.types import Chunk, Vector, VectorStore

DIMENSIONS = 16
SERVER = os.environ.get("QDRANT_URL")


@pytest.fixture(
    params=[
        "embedded",
        "client",
        pytest.param("server", marks=pytest.mark.skipif(not SERVER, reason="QDRANT_URL names no Qdrant server")),
    ]
)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorStore]:
    made: VectorStore
    if request.param == "embedded":
        made = EmbeddedStore(tmp_path / "kb", DIMENSIONS)
    elif request.param == "client":
        made = ServerStore(AsyncQdrantClient(location=":memory:"), "test", DIMENSIONS)
    else:
        made = ServerStore.connect(str(SERVER), f"test-{os.getpid()}", DIMENSIONS, 5000)
    yield made
    await made.close()


def vector(seed: int) -> Vector:
    values = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return (values / np.linalg.norm(values)).astype(np.float32)


def chunks(document: str, count: int, tenant: str = "acme", content_hash: str = "v1") -> list[Chunk]:
    return [
        Chunk(document, tenant, i, f"{document} {i}", i * 10, i * 10 + 9, "T", "A > B", 3, content_hash)
        for i in range(count)
    ]


async def put(store: VectorStore, document: str, count: int, tenant: str = "acme", content_hash: str = "v1") -> None:
    made = chunks(document, count, tenant, content_hash)
    await store.replace(tenant, document, made, [vector(i) for i in range(count)])


async def test_finds_the_nearest_first_with_everything_that_was_stored(store: VectorStore) -> None:
    await put(store, "a.md", 5)
    found = await store.search("acme", vector(3), 2)
    assert len(found) == 2
    assert found[0].chunk == chunks("a.md", 5)[3]
    assert found[0].score == pytest.approx(1.0, abs=1e-5)
    assert found[0].score > found[1].score


async def test_never_shows_a_tenant_what_is_anothers(store: VectorStore) -> None:
    await put(store, "a.md", 3, tenant="acme")
    await put(store, "a.md", 3, tenant="rival")
    for tenant in ("acme", "rival"):
        assert {p.chunk.tenant for p in await store.search(tenant, vector(0), 50)} == {tenant}
    await store.delete("acme", ["a.md"])
    assert await store.search("acme", vector(0), 50) == []
    assert len(await store.search("rival", vector(0), 50)) == 3
    assert await store.search("nobody", vector(0), 50) == []


async def test_replaces_a_document_whole(store: VectorStore) -> None:
    await put(store, "a.md", 5)
    await put(store, "a.md", 2, content_hash="v2")
    found = await store.search("acme", vector(0), 50)
    assert sorted(p.chunk.ordinal for p in found) == [0, 1]
    assert {p.chunk.content_hash for p in found} == {"v2"}


async def test_the_same_write_again_changes_nothing(store: VectorStore) -> None:
    await put(store, "a.md", 4)
    before = await store.describe("acme")
    await put(store, "a.md", 4)
    assert await store.describe("acme") == before


async def test_a_document_without_chunks_is_gone(store: VectorStore) -> None:
    await put(store, "a.md", 4)
    await store.replace("acme", "a.md", [], [])
    assert (await store.describe("acme")).documents == 0


async def test_describes_what_is_there_and_versions_it(store: VectorStore) -> None:
    empty = await store.describe("acme")
    await put(store, "a.md", 3)
    await put(store, "b.md", 2)
    described = await store.describe("acme")
    assert (described.documents, described.chunks) == (2, 5)
    assert described.hashes == {"a.md": "v1", "b.md": "v1"}
    await store.delete("acme", ["b.md", "never-there.md"])
    smaller = await store.describe("acme")
    await put(store, "a.md", 3, content_hash="v2")
    changed = await store.describe("acme")
    assert len({empty.version, described.version, smaller.version, changed.version}) == 4
    await put(store, "a.md", 3, content_hash="v1")
    assert (await store.describe("acme")).version == smaller.version


async def test_reads_past_one_page(store: VectorStore) -> None:
    await put(store, "long.md", 1205)
    assert (await store.describe("acme")).chunks == 1205


async def test_the_embedded_store_keeps_what_it_has_and_is_open_once(tmp_path: Path) -> None:
    first = EmbeddedStore(tmp_path, DIMENSIONS)
    await put(first, "a.md", 3)
    with pytest.raises(RuntimeError, match="another process has the knowledge base"):
        EmbeddedStore(tmp_path, DIMENSIONS)
    await first.close()
    again = EmbeddedStore(tmp_path, DIMENSIONS)
    assert (await again.describe("acme")).chunks == 3
    await again.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    store = ServerStore.connect("http://127.0.0.1:9", "test", DIMENSIONS, 1000)
    with pytest.raises(Unavailable):
        await store.search("acme", vector(0), 3)
    await store.close()


async def test_a_document_that_became_shorter_under_the_same_hash_keeps_nothing_of_before(store: VectorStore) -> None:
    await put(store, "a.md", 5)
    await put(store, "b.md", 3)
    await put(store, "a.md", 2)
    assert (await store.describe("acme")).chunks == 5
    found = await store.search("acme", vector(0), 50)
    assert sorted(p.chunk.ordinal for p in found if p.chunk.document == "a.md") == [0, 1]


async def test_replacing_a_document_of_one_tenant_leaves_anothers_of_that_name(store: VectorStore) -> None:
    await put(store, "a.md", 3, tenant="rival")
    await put(store, "a.md", 2, tenant="acme", content_hash="v2")
    assert (await store.describe("rival")).chunks == 3


async def test_the_first_questions_to_an_empty_server_are_all_answered() -> None:
    class Slow(AsyncQdrantClient):
        """As over a network: others get to run between two calls."""

        async def collection_exists(self, collection_name: str, **options: object) -> bool:
            exists = await super().collection_exists(collection_name, **options)
            await asyncio.sleep(0.01)
            return exists

    store = ServerStore(Slow(location=":memory:"), "test", DIMENSIONS)
    assert await asyncio.gather(*(store.search("acme", vector(0), 3) for _ in range(5))) == [[]] * 5
    await store.close()
