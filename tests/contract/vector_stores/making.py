"""Chunks and vectors to put into stores."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.retrieval.terms import query_terms
from app.retrieval.types import Candidate, Chunk, MetadataValue, Reader, Vector, VectorStore, Where

DIMENSIONS = 16
ACME = Reader("acme")


def vector(seed: int) -> Vector:
    """A unit vector; the same seed gives the same."""
    values = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return (values / np.linalg.norm(values)).astype(np.float32)


def chunk(
    document: str,
    ordinal: int = 0,
    text: str = "",
    tenant: str = "acme",
    content_hash: str = "v1",
    groups: tuple[str, ...] = (),
    metadata: Mapping[str, MetadataValue] | None = None,
) -> Chunk:
    """One chunk with something in every field."""
    text = text or f"{document} {ordinal}"
    return Chunk(
        document,
        tenant,
        ordinal,
        text,
        ordinal * 10,
        ordinal * 10 + 9,
        "T",
        "A > B",
        3,
        content_hash,
        groups,
        metadata or {},
    )


def chunks(document: str, count: int, tenant: str = "acme", content_hash: str = "v1") -> list[Chunk]:
    """A document of `count` chunks."""
    return [chunk(document, ordinal, tenant=tenant, content_hash=content_hash) for ordinal in range(count)]


async def stage(store: VectorStore, made: Sequence[Chunk]) -> None:
    """With the vectors that go by ordinals."""
    await store.stage(made[0].tenant, made, [vector(each.ordinal) for each in made])


async def put(store: VectorStore, *made: Chunk) -> None:
    """Stage and commit."""
    for tenant in dict.fromkeys(each.tenant for each in made):
        await stage(store, [each for each in made if each.tenant == tenant])
        await store.commit(tenant)


async def near(
    store: VectorStore, reader: Reader = ACME, seed: int = 0, limit: int = 50, where: Where | None = None
) -> list[Candidate]:
    """By vector, best first."""
    found = await store.search(reader, vector(seed), None, limit, where)
    return sorted(found, key=lambda candidate: -(candidate.cosine or 0.0))


async def saying(
    store: VectorStore, words: str, reader: Reader = ACME, limit: int = 50, where: Where | None = None
) -> list[Candidate]:
    """By terms, best first."""
    found = await store.search(reader, None, query_terms(words), limit, where)
    return sorted(found, key=lambda candidate: -(candidate.bm25 or 0.0))


async def names(
    store: VectorStore, reader: Reader = ACME, where: Where | None = None, words: str | None = None
) -> list[str]:
    """Of all documents that a search can find, by name."""
    found = await (near(store, reader, where=where) if words is None else saying(store, words, reader, where=where))
    return sorted({candidate.chunk.document for candidate in found})
