"""The retriever deployment: the one process that has the embedded knowledge base open."""

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from app.cache.embedded import socket_path
from app.cache.store import SharedStore
from app.config import StackConfig
from app.direct_calls import DirectServer, direct_path
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.knowledge import Knowledge
from app.retrieval.search.build import build_search
from app.retrieval.search.types import Found, SearchRequest
from app.retrieval.server_collections import ServerOptions
from app.retrieval.server_store import ServerStore
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
from deployments.threads import share_fairly

DIMENSIONS = 384
DIRECT = "retriever"  # its socket, for ingress processes on the same machine
EXPORT_PAGE = 500  # chunks: about 2 MB


def open_store(config: StackConfig) -> VectorStore:
    """The store that the configuration names."""
    settings = config.retrieval
    if settings.url is None:
        return EmbeddedStore(config.path("qdrant") / settings.collection, DIMENSIONS)
    quantization: Literal["none", "int8", "binary"] = (
        "int8" if settings.quantization == "scalar" else settings.quantization
    )
    options = ServerOptions(quantization, settings.shard_number, settings.replication_factor)
    return ServerStore.connect(
        settings.url, settings.collection, DIMENSIONS, settings.timeout_ms, options, settings.grpc_port
    )


class Retriever:
    """Searches and changes the knowledge base. See `app.retrieval.knowledge`."""

    def __init__(self, config: StackConfig) -> None:
        share_fairly()
        # Publishing a version is not on a request's way: it may take longer than a look-up.
        shared = SharedStore.connect(config.cache.url, socket_path(config.home), timeout_ms=1000)
        self._knowledge = Knowledge(open_store(config), shared, config.retrieval.collection)
        self._search = build_search(config, self._knowledge)
        self._direct = DirectServer(direct_path(config.home, DIRECT), {"find": self.find, "rerank": self.rerank})

    async def find(self, request: SearchRequest) -> Found:
        return await self._search.search(request)

    async def rerank(self, query: str, texts: Sequence[str], vectors: Sequence[Vector]) -> list[float]:
        return await self._search.rerank(query, texts, vectors)

    async def candidates(
        self, reader: Reader, vector: Vector | None, terms: Terms | None, limit: int, where: Where | None = None
    ) -> list[Candidate]:
        return await self._knowledge.search(reader, vector, terms, limit, where)

    async def around(self, reader: Reader, document: str, first: int, last: int) -> list[Chunk]:
        return await self._knowledge.around(reader, document, first, last)

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector], run: str = "") -> None:
        await self._knowledge.stage(tenant, chunks, vectors, run)

    async def stage_removal(self, tenant: str, documents: Sequence[str], run: str = "") -> None:
        await self._knowledge.stage_removal(tenant, documents, run)

    async def staged(self, tenant: str) -> dict[str, str | None]:
        return await self._knowledge.staged(tenant)

    async def hold(self, tenant: str, run: str) -> None:
        await self._knowledge.hold(tenant, run)

    async def commit(self, tenant: str, run: str = "") -> None:
        await self._knowledge.commit(tenant, run)

    async def discard(self, tenant: str, run: str = "") -> None:
        await self._knowledge.discard(tenant, run)

    async def delete(self, tenant: str, documents: Sequence[str]) -> None:
        await self._knowledge.delete(tenant, documents)

    async def documents(self, tenant: str) -> list[StoredDocument]:
        return await self._knowledge.documents(tenant)

    async def describe(self, tenant: str) -> KnowledgeBase:
        return await self._knowledge.describe(tenant)

    async def export(self, tenant: str | None) -> AsyncIterator[list[tuple[Chunk, Vector]]]:
        """In pages, for a handle with `stream=True`."""
        page: list[tuple[Chunk, Vector]] = []
        async for pair in self._knowledge.export(tenant):
            page.append(pair)
            if len(page) == EXPORT_PAGE:
                yield page
                page = []
        if page:
            yield page

    async def check_health(self) -> None:
        """Serve asks before the first request and now and then."""
        await self._direct.listen()

    async def ping(self) -> bool:
        return True

    async def __del__(self) -> None:
        self._direct.close()
        await self._knowledge.close()
