"""Tenants' knowledge bases as their administrator sees them: what is in them, what is found, what is to go."""

from collections.abc import Sequence
from typing import Protocol

from app.errors import NotFound
from app.pipeline.ports import EmbedPort
from app.retrieval.search.types import Found, SearchRequest
from app.retrieval.types import KnowledgeBase, Reader, StoredDocument, Vector
from app.wire.admin_kb import SearchKnowledgeBase


class KnowledgePort(Protocol):
    """The Retriever deployment, as these routes see it. All raise Unavailable when it does not answer in time."""

    async def find(self, request: SearchRequest) -> Found: ...

    async def documents(self, tenant: str) -> list[StoredDocument]: ...

    async def describe(self, tenant: str) -> KnowledgeBase: ...

    async def delete(self, tenant: str, documents: list[str]) -> None: ...


class KnowledgeAdmin:
    """What `sextant kb` and its routes do."""

    def __init__(self, embedder: EmbedPort, knowledge: KnowledgePort) -> None:
        self._embedder = embedder
        self._knowledge = knowledge

    async def documents(self, tenant: str, limit: int, after: str | None) -> list[StoredDocument]:
        """Documents by name, at most `limit` after `after`."""
        found = await self._knowledge.documents(tenant)
        return [each for each in found if after is None or each.name > after][:limit]

    async def describe(self, tenant: str) -> KnowledgeBase:
        """What is stored."""
        return await self._knowledge.describe(tenant)

    async def delete(self, tenant: str, names: Sequence[str]) -> list[str]:
        """Delete documents at once; returns their names. Raises NotFound, and deletes none, when one is missing."""
        stored = {each.name for each in await self._knowledge.documents(tenant)}
        missing = [name for name in names if name not in stored]
        if missing:
            raise NotFound(f"{missing[0][:200]!r} is no document of this tenant; nothing was deleted.")
        wanted = list(dict.fromkeys(names))
        await self._knowledge.delete(tenant, wanted)
        return wanted

    async def search(self, wanted: SearchKnowledgeBase) -> list[Found]:
        """What a caller of the tenant with these groups would be found, for each query."""
        vectors: list[Vector | None] = [None] * len(wanted.queries)
        if wanted.mode != "sparse":
            vectors = list(await self._embedder.embed(wanted.queries))
        reader = Reader(wanted.tenant, tuple(wanted.groups))
        # One after the other: what is measured here is not to take the place of callers.
        return [
            await self._knowledge.find(
                SearchRequest(
                    reader=reader,
                    query=query,
                    vector=vector,
                    limit=wanted.limit or 10,
                    mode=wanted.mode,
                    where=wanted.where,
                    min_relevance=wanted.min_score,
                    neighbours=0,
                    rerank=wanted.rerank,
                )
            )
            for query, vector in zip(wanted.queries, vectors, strict=True)
        ]
