"""The knowledge base as the stack uses it: a vector store whose version everybody can see.

Cached answers carry the version of the documents they drew on. The version stands in the shared
store, so that every ingress reads it without asking the retriever.
"""

import asyncio
import logging
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from app.cache.store import SharedStore
from app.errors import Conflict
from app.retrieval.types import (
    Candidate,
    Chunk,
    KnowledgeBase,
    Reader,
    StoredDocument,
    Terms,
    Vector,
    VectorStore,
    Where,
)

logger = logging.getLogger(__name__)

RETRY_S = 1.0
# A run that has not called for so long is taken for dead, and another may go on where it stopped.
LEASE_S = 60.0


def version_key(collection: str, tenant: str) -> str:
    """Where a tenant's version stands in the shared store."""
    return f"sextant:kb:{collection}:{tenant}"


def run_key(collection: str, tenant: str) -> str:
    """Where the shared store says which run changes a tenant's documents."""
    return f"sextant:kb-run:{collection}:{tenant}"


class Knowledge:
    """Searches and changes. What readers see changes with `commit` and `delete`; both are published before and after.

    A store holds one staged change a tenant, so one run at a time may stage. A run that gives its name holds the tenant
    for `LEASE_S` from each call on; calls of others raise Conflict meanwhile. Without names nothing is held, and runs
    at the same time would commit each other's work half done. Nor is anything held while the shared store is away.
    """

    def __init__(self, store: VectorStore, shared: SharedStore, collection: str) -> None:
        self._store = store
        self._shared = shared
        self._collection = collection
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._versions: dict[str, str] = {}
        self._publishing: set[asyncio.Task[None]] = set()

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
        return await self._store.search(reader, vector, terms, limit, where, keep)

    async def around(self, reader: Reader, document: str, first: int, last: int) -> list[Chunk]:
        """See `VectorStore.around`."""
        return await self._store.around(reader, document, first, last)

    async def documents(self, tenant: str) -> list[StoredDocument]:
        """See `VectorStore.documents`."""
        return await self._store.documents(tenant)

    def export(self, tenant: str | None) -> AsyncIterator[tuple[Chunk, Vector]]:
        """See `VectorStore.export`."""
        return self._store.export(tenant)

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector], run: str = "") -> None:
        """See `VectorStore.stage`. Nobody sees it yet, so nothing is published."""
        await self.hold(tenant, run)
        await self._store.stage(tenant, chunks, vectors)

    async def stage_removal(self, tenant: str, documents: Sequence[str], run: str = "") -> None:
        """See `VectorStore.stage_removal`."""
        await self.hold(tenant, run)
        await self._store.stage_removal(tenant, documents)

    async def staged(self, tenant: str) -> dict[str, str | None]:
        """See `VectorStore.staged`."""
        return await self._store.staged(tenant)

    async def commit(self, tenant: str, run: str = "") -> None:
        """See `VectorStore.commit`. The run, whose work this is, is over."""
        await self.hold(tenant, run)
        async with self._change(tenant):
            await self._store.commit(tenant)
        await self._let_go(tenant, run)

    async def discard(self, tenant: str, run: str = "") -> None:
        """See `VectorStore.discard`. The run is over."""
        await self.hold(tenant, run)
        await self._store.discard(tenant)
        await self._let_go(tenant, run)

    async def delete(self, tenant: str, documents: Sequence[str]) -> None:
        """See `VectorStore.delete`. It does not wait for a run, and leaves what that has staged."""
        async with self._change(tenant):
            await self._store.delete(tenant, documents)

    async def describe(self, tenant: str) -> KnowledgeBase:
        """See `VectorStore.describe`. Publishes the version too, for a shared store that lost it."""
        # Not beside a change: the older state could be published after the newer one.
        async with self._changing[tenant]:
            knowledge_base = await self._store.describe(tenant)
            await self._publish(tenant, knowledge_base.version)
        return knowledge_base

    async def hold(self, tenant: str, run: str) -> None:
        """Keep the tenant for this run for `LEASE_S` from now. A run that is long in preparing what it stages next
        calls this meanwhile. Raises Conflict while another run holds it."""
        key = run_key(self._collection, tenant)
        owner = run.encode()
        holder = await (self._shared.claim(key, owner, LEASE_S) if run else self._shared.get(key))
        if holder is not None and holder != owner:
            raise Conflict(
                f"Another run is changing these documents. It is taken for dead {LEASE_S:g} s after its last sign of "
                "life; try again then.",
                retry_after_s=LEASE_S,
            )

    async def close(self) -> None:
        """Release both stores."""
        for task in self._publishing:
            task.cancel()
        await self._store.close()
        await self._shared.close()

    async def _let_go(self, tenant: str, run: str) -> None:
        if run:
            await self._shared.release(run_key(self._collection, tenant), run.encode())

    @asynccontextmanager
    async def _change(self, tenant: str) -> AsyncIterator[None]:
        """Around what changes what readers see."""
        async with self._changing[tenant]:
            # A version nobody has seen: answers made while the change is under way match no other.
            await self._publish(tenant, f"changing-{uuid.uuid4().hex}")
            try:
                yield
            finally:
                # From the store itself, for whatever has come of it.
                await self._publish(tenant, (await self._store.describe(tenant)).version)

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
