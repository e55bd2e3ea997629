"""The index on a Qdrant server."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import httpx
from grpc import RpcError
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as q
from qdrant_client.http.exceptions import ApiException

from app.cache.semantic.points import EXPIRES, MADE, OBSERVATIONS, SCOPE, TENANT, from_payload, observed, to_payload
from app.cache.semantic.types import Indexed, Observation
from app.clock import now_ms as clock_ms
from app.errors import Unavailable
from app.failures import Failures
from app.qdrant import connect
from app.retrieval.types import Vector

logger = logging.getLogger(__name__)

WRITE_TIMEOUT_S = 5.0  # nobody waits for a write
TIDY_EVERY = 100  # writes of this process
FAILURES_IN_A_ROW = 3  # after which look-ups leave the server alone for a while
REST_S = 1.0
T = TypeVar("T")


class ServerIndex:
    """`SemanticIndex` in one collection of a Qdrant server, shared by all replicas.

    A look-up waits `timeout_s` at most. The bound is held by age: which points are used is known to each replica alone.
    """

    def __init__(
        self, client: AsyncQdrantClient, collection: str, dimensions: int, max_entries: int, timeout_s: float
    ) -> None:
        self._client = client
        self._collection = collection
        self._dimensions = dimensions
        self._max_entries = max_entries
        self._timeout_s = timeout_s
        self._prepared = False
        self._preparing = asyncio.Lock()
        self._writes = 0
        self._failures = Failures(logger, "semantic cache: Qdrant")  # in a row
        self._resting_until_s = 0.0
        self.dropped = 0

    @classmethod
    def connect(
        cls, url: str, collection: str, dimensions: int, max_entries: int, timeout_ms: float, grpc_port: int = 6334
    ) -> "ServerIndex":
        """An index by URL. Connects at first use."""
        client = connect(url, grpc_port, round(WRITE_TIMEOUT_S))
        return cls(client, collection, dimensions, max_entries, timeout_ms / 1000)

    async def put(self, point: Indexed, vector: Vector) -> None:
        """See `SemanticIndex.put`."""
        stored = q.PointStruct(id=point.id, vector=vector.tolist(), payload=to_payload(point))
        await self._write(lambda: self._client.upsert(self._collection, points=[stored], wait=True))
        self._writes += 1
        if self._writes % TIDY_EVERY == 0:
            await self.tidy()

    async def search(
        self, tenant: str, scope: str, vector: Vector, limit: int, now_ms: int
    ) -> list[tuple[Indexed, float]]:
        """See `SemanticIndex.search`."""
        if time.monotonic() < self._resting_until_s:
            return []
        alive = q.FieldCondition(key=EXPIRES, range=q.Range(gt=now_ms))
        found = await self._reached(
            lambda: self._client.query_points(
                self._collection,
                query=vector.tolist(),
                limit=limit,
                query_filter=q.Filter(must=[_is(SCOPE, scope), _is(TENANT, tenant), alive]),
                with_payload=True,
            ),
            self._timeout_s,
        )
        if found is None:
            return []
        read = [(await self._read(str(point.id), point.payload), point.score) for point in found.points]
        return [(point, score) for point, score in read if point is not None]

    def used(self, id: str) -> None:
        """See `SemanticIndex.used`. Nothing: a write for each hit would cost more than the bound's being by age."""

    async def get(self, id: str) -> Indexed | None:
        """See `SemanticIndex.get`."""
        records = await self._reached(
            lambda: self._client.retrieve(self._collection, [id], with_payload=True, with_vectors=False),
            WRITE_TIMEOUT_S,
        )
        return await self._read(id, records[0].payload) if records else None

    async def set_observations(self, id: str, observations: Sequence[Observation]) -> None:
        """See `SemanticIndex.set_observations`."""
        payload = {OBSERVATIONS: observed(observations)}
        # By a filter: setting the payload of an id that is gone is an error, and this may be one.
        there = q.Filter(must=[q.HasIdCondition(has_id=[id])])
        await self._write(lambda: self._client.set_payload(self._collection, payload=payload, points=there, wait=True))

    async def delete(self, ids: Sequence[str]) -> None:
        """See `SemanticIndex.delete`."""
        if ids:
            await self._write(
                lambda: self._client.delete(self._collection, points_selector=q.PointIdsList(points=list(ids)))
            )

    async def purge(self, tenant: str | None) -> int:
        """See `SemanticIndex.purge`."""
        chosen = q.Filter(must=[] if tenant is None else [_is(TENANT, tenant)])
        counted = await self._write(lambda: self._client.count(self._collection, count_filter=chosen))
        if counted is None or not await self._delete(chosen):
            raise Unavailable(
                "The semantic cache's server does not answer; what it holds is not purged.", retry_after_s=2
            )
        return int(counted.count)

    async def count(self) -> int:
        """See `SemanticIndex.count`."""
        counted = await self._write(lambda: self._client.count(self._collection))
        return 0 if counted is None else int(counted.count)

    async def close(self) -> None:
        """See `SemanticIndex.close`."""
        await self._client.close()

    async def tidy(self) -> None:
        """Sweep what has expired, and the oldest past the bound. Replicas may do it at the same time."""
        await self._delete(q.Filter(must=[q.FieldCondition(key=EXPIRES, range=q.Range(lte=clock_ms()))]))
        excess = await self.count() - self._max_entries
        if excess <= 0:
            return
        scrolled = await self._write(
            lambda: self._client.scroll(
                self._collection,
                limit=excess,
                order_by=q.OrderBy(key=MADE, direction=q.Direction.ASC),
                with_payload=False,
            )
        )
        if scrolled is not None:
            await self.delete([str(record.id) for record in scrolled[0]])

    async def _read(self, id: str, payload: dict[str, Any] | None) -> Indexed | None:
        try:
            return from_payload(id, payload)
        except ValueError:
            self.dropped += 1
            logger.warning("dropped an unreadable point of the semantic cache")
            await self.delete([id])
            return None

    async def _delete(self, chosen: q.Filter) -> bool:
        selector = q.FilterSelector(filter=chosen)
        deleting = self._write(lambda: self._client.delete(self._collection, points_selector=selector, wait=True))
        return await deleting is not None

    async def _write(self, call: Callable[[], Awaitable[T]]) -> T | None:
        return await self._reached(call, WRITE_TIMEOUT_S)

    async def _prepare(self) -> None:
        """Make the collection where it is missing, once."""
        async with self._preparing:
            if self._prepared:
                return
            if not await self._client.collection_exists(self._collection):
                quantized = q.ScalarQuantization(scalar=q.ScalarQuantizationConfig(type=q.ScalarType.INT8))
                vectors = q.VectorParams(size=self._dimensions, distance=q.Distance.COSINE)
                try:
                    await self._client.create_collection(
                        self._collection, vectors_config=vectors, quantization_config=quantized
                    )
                except (ApiException, RpcError):
                    if not await self._client.collection_exists(self._collection):  # another replica was first
                        raise
            for field, schema in _INDEXES.items():
                await self._client.create_payload_index(self._collection, field, schema)
            self._prepared = True

    async def _reached(self, call: Callable[[], Awaitable[T]], timeout_s: float) -> T | None:
        """The one place where the server's errors end: None."""
        try:
            async with asyncio.timeout(timeout_s):
                if not self._prepared:
                    await self._prepare()
                answer = await call()
        except (ApiException, RpcError, httpx.HTTPError, OSError, TimeoutError) as error:
            self._failures.note(error)
            if self._failures.count >= FAILURES_IN_A_ROW:
                self._resting_until_s = time.monotonic() + REST_S
            return None
        self._failures.count = 0
        return answer


_INDEXES: dict[str, Any] = {
    TENANT: q.KeywordIndexParams(type=q.KeywordIndexType.KEYWORD, is_tenant=True),
    SCOPE: q.KeywordIndexParams(type=q.KeywordIndexType.KEYWORD),
    MADE: q.IntegerIndexParams(type=q.IntegerIndexType.INTEGER, lookup=False, range=True),
    EXPIRES: q.IntegerIndexParams(type=q.IntegerIndexType.INTEGER, lookup=False, range=True),
}


def _is(field: str, value: str) -> q.FieldCondition:
    return q.FieldCondition(key=field, match=q.MatchValue(value=value))
