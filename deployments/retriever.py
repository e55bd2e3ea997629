"""The retriever deployment: the one process that has the embedded knowledge base open."""

from app.cache.embedded import socket_path
from app.cache.store import SharedStore
from app.config import StackConfig
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.knowledge import Knowledge
from app.retrieval.server_store import ServerStore
from app.retrieval.types import Chunk, KnowledgeBase, Passage, Vector, VectorStore

DIMENSIONS = 384


def open_store(config: StackConfig) -> VectorStore:
    """The store that the configuration names."""
    settings = config.retrieval
    if settings.url is None:
        return EmbeddedStore(config.path("qdrant") / settings.collection, DIMENSIONS)
    return ServerStore.connect(settings.url, settings.collection, DIMENSIONS, settings.timeout_ms)


class Retriever:
    """Searches and changes the knowledge base. See `app.retrieval.knowledge`."""

    def __init__(self, config: StackConfig) -> None:
        # Publishing a version is not on a request's way: it may take longer than a look-up.
        shared = SharedStore.connect(config.cache.url, socket_path(config.home), timeout_ms=1000)
        self._knowledge = Knowledge(open_store(config), shared, config.retrieval.collection)

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Passage]:
        return await self._knowledge.search(tenant, vector, limit)

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None:
        await self._knowledge.replace(tenant, document, chunks, vectors)

    async def delete(self, tenant: str, documents: list[str]) -> None:
        await self._knowledge.delete(tenant, documents)

    async def describe(self, tenant: str) -> KnowledgeBase:
        return await self._knowledge.describe(tenant)

    async def ping(self) -> bool:
        return True

    async def __del__(self) -> None:
        await self._knowledge.close()
