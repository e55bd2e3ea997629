"""The knowledge base on a Qdrant server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import httpx
from grpc import RpcError
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as q
from qdrant_client.http.exceptions import ApiException

from app.errors import Unavailable
from app.retrieval.points import DOCUMENT, TENANT, describe, from_payload, point_id, to_payload
from app.retrieval.types import Chunk, KnowledgeBase, Passage, Vector

logger = logging.getLogger(__name__)

SCROLL_PAGE = 1000
UPSERT_BATCH = 256
T = TypeVar("T")


class ServerStore:
    """`VectorStore` in one collection of a Qdrant server."""

    def __init__(self, client: AsyncQdrantClient, collection: str, dimensions: int) -> None:
        self._client = client
        self._collection = collection
        self._dimensions = dimensions
        self._prepared = False
        self._preparing = asyncio.Lock()

    @classmethod
    def connect(cls, url: str, collection: str, dimensions: int, timeout_ms: float) -> "ServerStore":
        """A store by URL; gRPC is preferred. Connects at first use."""
        timeout_s = max(1, round(timeout_ms / 1000))
        return cls(AsyncQdrantClient(url=url, prefer_grpc=True, timeout=timeout_s), collection, dimensions)

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None:
        """See `VectorStore.replace`."""
        points = [
            q.PointStruct(id=point_id(chunk), vector=vector.tolist(), payload=to_payload(chunk))
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        await self._prepare()
        for start in range(0, len(points), UPSERT_BATCH):
            batch = points[start : start + UPSERT_BATCH]
            await _reached(self._client.upsert(self._collection, points=batch, wait=True))
        # Ids go by position, so what is left of before are the positions behind the new end.
        behind = q.FieldCondition(key="ordinal", range=q.Range(gte=len(points)))
        stale = q.Filter(must=[_is(TENANT, tenant), _is(DOCUMENT, document), behind])
        await self._delete(stale)

    async def delete(self, tenant: str, documents: list[str]) -> None:
        """See `VectorStore.delete`."""
        if not documents:
            return
        await self._prepare()
        named = q.FieldCondition(key=DOCUMENT, match=q.MatchAny(any=documents))
        await self._delete(q.Filter(must=[_is(TENANT, tenant), named]))

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Passage]:
        """See `VectorStore.search`."""
        await self._prepare()
        found = await _reached(
            self._client.query_points(
                self._collection,
                query=vector.tolist(),
                limit=limit,
                query_filter=q.Filter(must=[_is(TENANT, tenant)]),
                with_payload=True,
            )
        )
        return [Passage(from_payload(point.payload or {}), point.score) for point in found.points]

    async def describe(self, tenant: str) -> KnowledgeBase:
        """See `VectorStore.describe`."""
        await self._prepare()
        return describe([payload async for payload in self._payloads(tenant)])

    async def close(self) -> None:
        """See `VectorStore.close`."""
        await self._client.close()

    async def _prepare(self) -> None:
        """Make the collection where it is missing, once."""
        async with self._preparing:
            if self._prepared:
                return
            if not await _reached(self._client.collection_exists(self._collection)):
                await _reached(
                    self._client.create_collection(
                        self._collection,
                        vectors_config=q.VectorParams(size=self._dimensions, distance=q.Distance.COSINE),
                    )
                )
                for field in (TENANT, DOCUMENT):
                    schema = q.KeywordIndexParams(type=q.KeywordIndexType.KEYWORD, is_tenant=field == TENANT)
                    await _reached(self._client.create_payload_index(self._collection, field, schema))
            self._prepared = True

    async def _delete(self, chosen: q.Filter) -> None:
        selector = q.FilterSelector(filter=chosen)
        await _reached(self._client.delete(self._collection, points_selector=selector, wait=True))

    async def _payloads(self, tenant: str) -> AsyncIterator[dict[str, Any]]:
        offset: Any = None
        while True:
            records, offset = await _reached(
                self._client.scroll(
                    self._collection,
                    scroll_filter=q.Filter(must=[_is(TENANT, tenant)]),
                    limit=SCROLL_PAGE,
                    offset=offset,
                    with_payload=[DOCUMENT, "content_hash"],
                    with_vectors=False,
                )
            )
            for record in records:
                yield record.payload or {}
            if offset is None:
                return


def _is(field: str, value: str) -> q.FieldCondition:
    return q.FieldCondition(key=field, match=q.MatchValue(value=value))


async def _reached(call: Awaitable[T]) -> T:
    """The one place where the server's errors become ours."""
    try:
        return await call
    except (ApiException, RpcError, httpx.HTTPError, OSError) as error:
        logger.warning("Qdrant: %s", type(error).__name__)
        raise Unavailable("The knowledge base cannot be reached; try again.", retry_after_s=2) from error
