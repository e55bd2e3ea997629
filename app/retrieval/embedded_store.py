"""The knowledge base in Qdrant's engine, inside this process."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    KeywordIndexParams,
    MatchAny,
    MatchValue,
    Point,
    Query,
    RangeFloat,
    ScrollRequest,
    SearchRequest,
    UpdateOperation,
)

from app.config.places import hold
from app.retrieval.points import DOCUMENT, TENANT, describe, from_payload, point_id, to_payload
from app.retrieval.types import Chunk, KnowledgeBase, Passage, Vector

SCROLL_PAGE = 1000


class EmbeddedStore:
    """`VectorStore` on disk at `directory`, for one process at a time.

    Searches take well under a millisecond and run where they are called; writes go to a thread.
    """

    def __init__(self, directory: Path, dimensions: int) -> None:
        """Open, or make, the store. Raises RuntimeError when another process has it open."""
        self._guard_file = hold(directory, "the knowledge base")
        shard = directory / "shard"
        config = EdgeConfig(vectors=EdgeVectorParams(size=dimensions, distance=Distance.Cosine))
        exists = shard.is_dir() and any(shard.iterdir())
        self._shard = EdgeShard.load(str(shard), config) if exists else EdgeShard.create(str(shard), config)
        if not exists:
            for field in (TENANT, DOCUMENT):
                self._shard.update(_keyword_index(field))
        self._writing = asyncio.Lock()

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None:
        """See `VectorStore.replace`."""
        points = [
            Point(id=point_id(chunk), vector=vector.tolist(), payload=to_payload(chunk))
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        async with self._writing:
            await asyncio.to_thread(self._replace, tenant, document, points)

    async def delete(self, tenant: str, documents: list[str]) -> None:
        """See `VectorStore.delete`."""
        if not documents:
            return
        gone = Filter(must=[_is(TENANT, tenant), FieldCondition(key=DOCUMENT, match=MatchAny(any=documents))])
        async with self._writing:
            await asyncio.to_thread(self._write, UpdateOperation.delete_points_by_filter(gone))

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Passage]:
        """See `VectorStore.search`."""
        found = self._shard.search(
            SearchRequest(
                query=Query.Nearest(vector.tolist()),
                limit=limit,
                filter=Filter(must=[_is(TENANT, tenant)]),
                with_payload=True,
            )
        )
        return [Passage(from_payload(point.payload or {}), point.score) for point in found]

    async def describe(self, tenant: str) -> KnowledgeBase:
        """See `VectorStore.describe`."""
        return await asyncio.to_thread(lambda: describe(self._payloads(tenant)))

    async def close(self) -> None:
        """See `VectorStore.close`."""
        async with self._writing:
            self._shard.close()
            self._guard_file.close()

    def _replace(self, tenant: str, document: str, points: list[Point]) -> None:
        if points:
            self._shard.update(UpdateOperation.upsert_points(points))
        # Ids go by position, so what is left of before are the positions behind the new end.
        behind = FieldCondition(key="ordinal", range=RangeFloat(gte=len(points)))
        stale = Filter(must=[_is(TENANT, tenant), _is(DOCUMENT, document), behind])
        self._write(UpdateOperation.delete_points_by_filter(stale))

    def _write(self, operation: UpdateOperation) -> None:
        self._shard.update(operation)
        self._shard.flush()

    def _payloads(self, tenant: str) -> Iterator[dict[str, object]]:
        offset = None
        while True:
            records, offset = self._shard.scroll(
                ScrollRequest(
                    offset=offset,
                    limit=SCROLL_PAGE,
                    filter=Filter(must=[_is(TENANT, tenant)]),
                    with_payload=[DOCUMENT, "content_hash"],
                    with_vector=False,
                )
            )
            yield from (record.payload or {} for record in records)
            if offset is None:
                return


def _is(field: str, value: str) -> FieldCondition:
    return FieldCondition(key=field, match=MatchValue(value=value))


def _keyword_index(field: str) -> UpdateOperation:
    is_tenant = field == TENANT
    return UpdateOperation.create_field_index(field, KeywordIndexParams(is_tenant=is_tenant))
