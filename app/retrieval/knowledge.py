"""The knowledge base as the stack uses it: a vector store whose version everybody can see.

Cached answers carry the version of the documents they drew on. The version stands in the shared
store, so that every ingress reads it without asking the retriever.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cache.store import SharedStore
from app.retrieval.types import Chunk, KnowledgeBase, Passage, Vector, VectorStore, digest

logger = logging.getLogger(__name__)

RETRY_S = 1.0


def version_key(collection: str, tenant: str) -> str:
    """Where a tenant's version stands in the shared store."""
    return f"sextant:kb:{collection}:{tenant}"


class Knowledge:
    """Searches and changes; a change is published before and after it happens."""

    def __init__(self, store: VectorStore, shared: SharedStore, collection: str) -> None:
        self._store = store
        self._shared = shared
        self._collection = collection
        self._changing = asyncio.Lock()
        self._versions: dict[str, str] = {}
        # tenant -> document -> content hash: reading it from the store for each document that is
        # ingested would make ingestion quadratic.
        self._hashes: dict[str, dict[str, str]] = {}
        self._publishing: set[asyncio.Task[None]] = set()

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Passage]:
        """See `VectorStore.search`."""
        return await self._store.search(tenant, vector, limit)

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None:
        """See `VectorStore.replace`."""
        async with self._change(tenant) as hashes:
            await self._store.replace(tenant, document, chunks, vectors)
            if chunks:
                hashes[document] = chunks[0].content_hash
            else:
                hashes.pop(document, None)

    async def delete(self, tenant: str, documents: list[str]) -> None:
        """See `VectorStore.delete`."""
        async with self._change(tenant) as hashes:
            await self._store.delete(tenant, documents)
            for document in documents:
                hashes.pop(document, None)

    async def describe(self, tenant: str) -> KnowledgeBase:
        """See `VectorStore.describe`. Publishes the version too, for a shared store that lost it."""
        # Not beside a change: the older state could be published after the newer one.
        async with self._changing:
            knowledge_base = await self._store.describe(tenant)
            await self._publish(tenant, knowledge_base.version)
        return knowledge_base

    async def close(self) -> None:
        """Release both stores."""
        for task in self._publishing:
            task.cancel()
        await self._store.close()
        await self._shared.close()

    @asynccontextmanager
    async def _change(self, tenant: str) -> AsyncIterator[dict[str, str]]:
        """Yields the tenant's hashes, to be kept up with the change."""
        async with self._changing:
            # A version nobody has seen: answers made while the change is under way match no other.
            await self._publish(tenant, f"changing-{uuid.uuid4().hex}")
            # Out of the dict while it changes: after a failure the store itself is asked again.
            hashes = self._hashes.pop(tenant, None)
            if hashes is None:
                hashes = (await self._store.describe(tenant)).hashes
            try:
                yield hashes
            except BaseException:
                await self._publish(tenant, (await self._store.describe(tenant)).version)
                raise
            self._hashes[tenant] = hashes
            await self._publish(tenant, digest(hashes))

    async def _publish(self, tenant: str, version: str) -> None:
        self._versions[tenant] = version
        if not await self._shared.put(version_key(self._collection, tenant), version.encode(), None):
            task = asyncio.create_task(self._publish_later(tenant, version))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    async def _publish_later(self, tenant: str, version: str) -> None:
        """Keep trying while this is the latest version: a store that returns may hold an old one."""
        key = version_key(self._collection, tenant)
        while self._versions.get(tenant) == version:
            await asyncio.sleep(RETRY_S)
            if await self._shared.put(key, version.encode(), None):
                return


class PublishedVersions:
    """Reads versions from the shared store. Implements the pipeline's `VersionPort`."""

    def __init__(self, shared: SharedStore, collection: str) -> None:
        self._shared = shared
        self._collection = collection

    async def knowledge_base(self, tenant: str) -> str | None:
        """The version; None while a change is under way, or when the store does not say."""
        raw = await self._shared.get(version_key(self._collection, tenant))
        version = raw.decode() if raw is not None else None
        return None if version is None or version.startswith("changing-") else version
