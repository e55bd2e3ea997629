"""The knowledge base on a Qdrant server."""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import httpx
from grpc import RpcError
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as q
from qdrant_client.http.exceptions import ApiException

from app.errors import Unavailable
from app.qdrant import connect
from app.retrieval.conditions import (
    DOCUMENT,
    TENANT,
    AllOf,
    Condition,
    from_where,
    of_tenant,
    readable,
    visible,
)
from app.retrieval.points import (
    DENSE,
    MAX_NUMBER_FIELDS,
    SPARSE,
    NewPoint,
    PointId,
    Stored,
    best_of,
    merge,
    number_fields,
    passage_of,
)
from app.retrieval.server_collections import ServerOptions, prepare, versions_collection
from app.retrieval.server_filters import to_filter
from app.retrieval.types import Candidate, Reader, Terms, Vector, Where
from app.retrieval.versioned import VersionedStore

logger = logging.getLogger(__name__)

SCROLL_PAGE = 1000
UPSERT_BATCH = 256
OVERSAMPLING = 2.0
_NAMESPACE = uuid.UUID("5e7a4e6f-0000-4000-8000-5e7a4e6f0002")
T = TypeVar("T")


class ServerStore(VersionedStore):
    """`VectorStore` in one collection of a Qdrant server (1.19 or later), and a small one for the versions.

    Several processes may search it. A search asks for the tenant's version after it has searched, and searches anew
    when that has changed; so no reader sees a part of a commit.
    """

    def __init__(
        self, client: AsyncQdrantClient, collection: str, dimensions: int, options: ServerOptions | None = None
    ) -> None:
        super().__init__(dimensions)
        self._client = client
        self._collection = collection
        self._versions = versions_collection(collection)
        self._options = options or ServerOptions()
        self._prepared = False
        self._preparing = asyncio.Lock()
        self._last: dict[str, int] = {}  # a tenant's version as it was last read
        self._numbers: set[str] = set()  # fields that this process has had indexed

    @classmethod
    def connect(
        cls,
        url: str,
        collection: str,
        dimensions: int,
        timeout_ms: float,
        options: ServerOptions | None = None,
        grpc_port: int = 6334,
    ) -> "ServerStore":
        """A store by URL. Connects at first use."""
        client = connect(url, grpc_port, max(1, round(timeout_ms / 1000)))
        return cls(client, collection, dimensions, options)

    async def search(
        self,
        reader: Reader,
        vector: Vector | None,
        terms: Terms | None,
        limit: int,
        where: Where | None = None,
        keep: int | None = None,
    ) -> list[Candidate]:
        """See `VectorStore.search`."""
        has_terms = terms is not None and bool(terms.indices)
        if limit < 1 or (vector is None and not has_terms):
            return []
        more = () if where is None else (from_where(where),)

        async def read(version: int) -> list[Candidate]:
            if version == 0:
                return []
            seen = of_tenant(reader.tenant, visible(version))
            wanted = to_filter(AllOf((seen, readable(reader), *more)))
            requests = []
            if vector is not None:
                rescored = q.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
                requests.append(_request(vector.tolist(), DENSE, limit, wanted, q.SearchParams(quantization=rescored)))
            if terms is not None and has_terms:
                asked = q.SparseVector(indices=list(terms.indices), values=list(terms.values))
                # How rare a term is in the tenant's texts: no other tenant's show in the scores.
                corpus = q.SearchParams(idf=q.IdfCorpusParams(corpus=to_filter(seen)))
                requests.append(_request(asked, SPARSE, limit, wanted, corpus))
            answers = await _reached(self._client.query_batch_points(self._collection, requests))
            scores: list[dict[PointId, float]] = [{str(p.id): p.score for p in answer.points} for answer in answers]
            cosines = scores[0] if vector is not None else {}
            # The server fuses, too, but gives no cosines and BM25 scores then.
            points: dict[PointId, Stored] = {str(p.id): _stored(p) for answer in answers for p in answer.points}
            kept = [(id, passage_of(points[id])) for id in best_of(scores, keep)]
            return merge(reader, kept, cosines, scores[-1] if has_terms else {})

        return await self._steady(reader.tenant, read)

    async def close(self) -> None:
        """See `VectorStore.close`."""
        await self._client.close()

    async def _version(self, tenant: str) -> int:
        await self._prepare()
        records = await _reached(
            self._client.retrieve(self._versions, [_version_id(tenant)], with_payload=True, with_vectors=False)
        )
        self._last[tenant] = int((records[0].payload or {})["version"]) if records else 0
        return self._last[tenant]

    async def _guess(self, tenant: str) -> int:
        return self._last[tenant] if tenant in self._last else await self._version(tenant)

    async def _set_version(self, tenant: str, version: int) -> None:
        point = q.PointStruct(id=_version_id(tenant), vector={}, payload={TENANT: tenant, "version": version})
        await _reached(self._client.upsert(self._versions, points=[point], wait=True))

    async def _tenants(self) -> list[str]:
        await self._prepare()
        records = self._pages(self._versions, None, True, False)
        return sorted([record.payload[TENANT] async for record in records if TENANT in record.payload])

    async def _begin(self, tenant: str) -> None:
        """Nothing: readers always look at versions here."""

    async def _has_begun(self, tenant: str) -> bool:
        return True

    async def _finish(self, tenant: str) -> None:
        """Nothing."""

    async def _deleted(self) -> None:
        """Nothing: the server waits for its own log."""

    async def _upsert(self, points: Sequence[NewPoint]) -> None:
        for field in sorted(number_fields(points) - self._numbers)[: max(0, MAX_NUMBER_FIELDS - len(self._numbers))]:
            await _reached(self._client.create_payload_index(self._collection, field, q.PayloadSchemaType.FLOAT))
            self._numbers.add(field)
        for start in range(0, len(points), UPSERT_BATCH):
            batch = [_to_point(point) for point in points[start : start + UPSERT_BATCH]]
            await _reached(self._client.upsert(self._collection, points=batch, wait=True))

    async def _delete(self, wanted: Condition) -> None:
        selector = q.FilterSelector(filter=to_filter(wanted))
        await _reached(self._client.delete(self._collection, points_selector=selector, wait=True))

    async def _set_until(self, wanted: Condition, until: int) -> None:
        payload = {"until": until}
        await _reached(self._client.set_payload(self._collection, payload=payload, points=to_filter(wanted), wait=True))

    async def _count_by_document(self, wanted: Condition) -> Mapping[str, int]:
        chosen = to_filter(wanted)
        room = await _reached(self._client.count(self._collection, count_filter=chosen, exact=True))
        found = await _reached(
            self._client.facet(self._collection, DOCUMENT, facet_filter=chosen, limit=max(1, room.count), exact=True)
        )
        return {str(hit.value): hit.count for hit in found.hits}

    async def _scroll(
        self, wanted: Condition, fields: Sequence[str] | None, has_vectors: bool = False
    ) -> AsyncIterator[Stored]:
        chosen = True if fields is None else list(fields)
        async for record in self._pages(self._collection, to_filter(wanted), chosen, has_vectors):
            yield _stored(record)

    async def _pages(
        self, collection: str, wanted: q.Filter | None, fields: bool | list[str], has_vectors: bool
    ) -> AsyncIterator[Any]:
        offset: Any = None
        while True:
            records, offset = await _reached(
                self._client.scroll(
                    collection,
                    scroll_filter=wanted,
                    limit=SCROLL_PAGE,
                    offset=offset,
                    with_payload=fields,
                    with_vectors=[DENSE] if has_vectors else False,
                )
            )
            for record in records:
                yield record
            if offset is None:
                return

    async def _prepare(self) -> None:
        """Make the collections where they are missing, once."""
        if self._prepared:
            return
        async with self._preparing:
            if not self._prepared:
                await prepare(self._client, self._collection, self._dimensions, self._options, _reached)
                self._prepared = True


def _request(
    query: list[float] | q.SparseVector, using: str, limit: int, wanted: q.Filter, params: q.SearchParams
) -> q.QueryRequest:
    return q.QueryRequest(
        query=query,
        using=using,
        limit=limit,
        filter=wanted,
        params=params,
        with_payload=True,
        with_vector=[DENSE, SPARSE],
    )


def _to_point(point: NewPoint) -> q.PointStruct:
    terms = q.SparseVector(indices=list(point.terms.indices), values=list(point.terms.values))
    return q.PointStruct(id=point.id, vector={DENSE: point.vector.tolist(), SPARSE: terms}, payload=point.payload)


def _stored(record: Any) -> Stored:  # a Record or a ScoredPoint of the client
    vectors = record.vector or {}
    return Stored(str(record.id), record.payload or {}, vectors.get(DENSE), vectors.get(SPARSE))


def _version_id(tenant: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, json.dumps([tenant])))


async def _reached(call: Awaitable[T]) -> T:
    """The one place where the server's errors become ours."""
    try:
        return await call
    except (ApiException, RpcError, httpx.HTTPError, OSError) as error:
        logger.warning("Qdrant: %s", type(error).__name__)
        raise Unavailable("The knowledge base cannot be reached; try again.", retry_after_s=2) from error
