"""How a store of points becomes a `VectorStore`: versions, in one place for all stores.

Every point says from which version on it is seen (`since`) and from which on no more (`until`); a reader at version v
sees since <= v < until. Staging writes points with since = v + 1, which nobody sees. `commit` marks what they replace
with until = v + 1, which still everybody sees, then raises the tenant's version in one small write, and then deletes
what nobody sees any more. So a crash at any moment leaves one version or the other, and nothing has to be undone.

A document is staged when its first chunk is: that is written last.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from app.errors import Unavailable
from app.retrieval.conditions import (
    DOCUMENT,
    FOREVER,
    ORDINAL,
    SINCE,
    UNTIL,
    AllOf,
    Condition,
    Has,
    Not,
    Within,
    of_tenant,
    readable,
    visible,
)
from app.retrieval.points import HEAD_FIELDS, NewPoint, Stored, describe, from_payload, may_see, to_document, to_points
from app.retrieval.types import Chunk, KnowledgeBase, Reader, StoredDocument, Vector

DOCUMENTS_AT_ONCE = 100  # in one condition
EXPORT_CHUNKS = 1000  # read at once, or one document's where it has more
ATTEMPTS = 5
T = TypeVar("T")

_FIRST = Has(ORDINAL, (0,))


class VersionedStore(ABC):
    """All of `VectorStore` but the search, on what an engine can do. One process changes a tenant at a time."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """See `VectorStore.stage`."""
        if any(chunk.tenant != tenant for chunk in chunks):
            raise ValueError(f"a chunk that is not of {tenant!r}")
        upcoming = await self._version(tenant) + 1
        points = await asyncio.to_thread(to_points, chunks, vectors, upcoming, self._dimensions)
        if not points:
            return
        await self._begin(tenant)
        await self._unstage(tenant, upcoming, list(dict.fromkeys(chunk.document for chunk in chunks)))
        await self._upsert(points)

    async def stage_removal(self, tenant: str, documents: Sequence[str]) -> None:
        """See `VectorStore.stage_removal`."""
        if not documents:
            return
        version = await self._version(tenant)
        await self._begin(tenant)
        await self._unstage(tenant, version + 1, documents)
        await self._end(tenant, version, documents)

    async def staged(self, tenant: str) -> dict[str, str | None]:
        """See `VectorStore.staged`."""

        async def read(version: int) -> dict[str, str | None]:
            going = of_tenant(tenant, _FIRST, Within(SINCE, lte=version), Has(UNTIL, (version + 1,)))
            coming = of_tenant(tenant, _FIRST, Has(SINCE, (version + 1,)))
            found: dict[str, str | None] = {}
            async for head in self._scroll(going, HEAD_FIELDS):
                found[head.payload[DOCUMENT]] = None
            async for head in self._scroll(coming, HEAD_FIELDS):
                found[head.payload[DOCUMENT]] = head.payload["content_hash"]
            return found

        return await self._steady(tenant, read)

    async def commit(self, tenant: str) -> None:
        """See `VectorStore.commit`. A document whose staging was cut off stays as it was."""
        if not await self._has_begun(tenant):
            return
        version = await self._version(tenant)
        upcoming = version + 1
        coming = of_tenant(tenant, Has(SINCE, (upcoming,)))
        whole = {
            head.payload[DOCUMENT]: head.payload["chunks"]
            async for head in self._scroll(AllOf((coming, _FIRST)), HEAD_FIELDS)
        }
        found = await self._count_by_document(coming)
        await self._unstage(tenant, upcoming, [name for name, count in found.items() if whole.get(name) != count])
        await self._end(tenant, version, [name for name, count in found.items() if whole.get(name) == count])
        await self._set_version(tenant, upcoming)
        await self._delete(of_tenant(tenant, Within(UNTIL, lte=upcoming)))
        await self._finish(tenant)

    async def discard(self, tenant: str) -> None:
        """See `VectorStore.discard`."""
        if not await self._has_begun(tenant):
            return
        version = await self._version(tenant)
        await self._delete(of_tenant(tenant, Within(SINCE, gt=version)))
        await self._delete(of_tenant(tenant, Within(UNTIL, lte=version)))  # of a commit that was cut off
        await self._set_until(of_tenant(tenant, Has(UNTIL, (version + 1,))), FOREVER)
        await self._finish(tenant)

    async def delete(self, tenant: str, documents: Sequence[str]) -> None:
        """See `VectorStore.delete`."""
        version = await self._version(tenant)
        for some in _batches(documents):
            await self._delete(of_tenant(tenant, Has(DOCUMENT, some), Within(SINCE, lte=version)))
        await self._deleted()

    async def around(self, reader: Reader, document: str, first: int, last: int) -> list[Chunk]:
        """See `VectorStore.around`."""

        async def read(version: int) -> list[Chunk]:
            there = (readable(reader), Has(DOCUMENT, (document,)), Within(ORDINAL, gte=first, lte=last))
            found = self._scroll(of_tenant(reader.tenant, *there, visible(version)), None)
            chunks = [from_payload(point.payload) async for point in found]
            return sorted((c for c in chunks if may_see(reader, c)), key=lambda chunk: chunk.ordinal)

        return await self._steady(reader.tenant, read)

    async def documents(self, tenant: str) -> list[StoredDocument]:
        """See `VectorStore.documents`."""

        async def read(version: int) -> list[StoredDocument]:
            heads = self._scroll(of_tenant(tenant, _FIRST, visible(version)), HEAD_FIELDS)
            return sorted([to_document(head.payload) async for head in heads], key=lambda document: document.name)

        return await self._steady(tenant, read)

    async def describe(self, tenant: str) -> KnowledgeBase:
        """See `VectorStore.describe`."""
        return describe(await self.documents(tenant))

    async def export(self, tenant: str | None) -> AsyncIterator[tuple[Chunk, Vector]]:
        """See `VectorStore.export`. Raises Unavailable when there is a commit meanwhile."""
        for each in [tenant] if tenant is not None else await self._tenants():
            version = await self._version(each)
            for names in _runs(await self.documents(each)):
                wanted = of_tenant(each, Has(DOCUMENT, names), visible(version))
                points = [point async for point in self._scroll(wanted, None, has_vectors=True)]
                if await self._version(each) != version:
                    raise Unavailable("The knowledge base has changed while it was read; try again.", retry_after_s=2)
                pairs = [(from_payload(p.payload), np.asarray(p.vector, dtype=np.float32)) for p in points]
                for pair in sorted(pairs, key=lambda pair: (pair[0].document, pair[0].ordinal)):
                    yield pair

    async def _unstage(self, tenant: str, upcoming: int, documents: Sequence[str]) -> None:
        for some in _batches(documents):
            await self._delete(of_tenant(tenant, Has(DOCUMENT, some), Has(SINCE, (upcoming,))))

    async def _end(self, tenant: str, version: int, documents: Sequence[str]) -> None:
        """Mark what readers see of the documents as seen until this version only."""
        for some in _batches(documents):
            seen = of_tenant(tenant, Has(DOCUMENT, some), Within(SINCE, lte=version), Not(Has(UNTIL, (version + 1,))))
            await self._set_until(seen, version + 1)

    async def _steady(self, tenant: str, read: Callable[[int], Awaitable[T]]) -> T:
        """Read at one version: anew when there was a commit meanwhile, for that deletes what is read."""
        version = await self._guess(tenant)
        for _ in range(ATTEMPTS):
            result = await read(version)
            now = await self._version(tenant)
            if now == version:
                return result
            version = now
        raise Unavailable("The knowledge base changes too fast to be read; try again.", retry_after_s=2)

    @abstractmethod
    async def _begin(self, tenant: str) -> None:
        """Before something is staged."""

    @abstractmethod
    async def _has_begun(self, tenant: str) -> bool:
        """Whether anything may be staged, or left of before; False only where that is sure."""

    @abstractmethod
    async def _finish(self, tenant: str) -> None:
        """There is nothing staged any more, and nothing left of before."""

    @abstractmethod
    async def _deleted(self) -> None:
        """Points have been deleted without a commit."""

    @abstractmethod
    async def _version(self, tenant: str) -> int:
        """What readers of the tenant see; 0 where nothing was ever committed."""

    async def _guess(self, tenant: str) -> int:
        """The version, or what it was lately: `_steady` asks again."""
        return await self._version(tenant)

    @abstractmethod
    async def _set_version(self, tenant: str, version: int) -> None:
        """Durably, and after all that was written before has become so."""

    @abstractmethod
    async def _tenants(self) -> list[str]:
        """Those with a version."""

    @abstractmethod
    async def _upsert(self, points: Sequence[NewPoint]) -> None:
        """Write points, in their order."""

    @abstractmethod
    async def _delete(self, wanted: Condition) -> None:
        """Delete points."""

    @abstractmethod
    async def _set_until(self, wanted: Condition, until: int) -> None:
        """Change one field of points."""

    @abstractmethod
    async def _count_by_document(self, wanted: Condition) -> Mapping[str, int]:
        """How many of the points each document has."""

    @abstractmethod
    def _scroll(
        self, wanted: Condition, fields: Sequence[str] | None, has_vectors: bool = False
    ) -> AsyncIterator[Stored]:
        """Read points, all of the payload or some fields, with the dense vector or without."""


def _batches(names: Sequence[str]) -> list[tuple[str, ...]]:
    rest = iter(names)
    return list(iter(lambda: tuple(islice(rest, DOCUMENTS_AT_ONCE)), ()))


def _runs(documents: Sequence[StoredDocument]) -> list[tuple[str, ...]]:
    """Names of documents that are read together."""
    runs: list[list[str]] = []
    room = 0
    for document in documents:
        if document.chunks > room or len(runs[-1]) == DOCUMENTS_AT_ONCE:
            runs.append([])
            room = EXPORT_CHUNKS
        runs[-1].append(document.name)
        room -= document.chunks
    return [tuple(run) for run in runs]
