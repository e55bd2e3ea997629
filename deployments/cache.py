"""The cache deployment: home of the embedded Valkey and of the embedder.

The exact tier's look-ups go from the ingress straight to Valkey's socket; texts are embedded here,
once a request, and the vector travels on.
"""

import asyncio
from collections.abc import Sequence

from app.cache.embedded import EmbeddedValkey
from app.config import StackConfig
from app.retrieval.types import Vector


class Cache:
    """Embeds. Owns the embedded store, where there is one."""

    def __init__(self, config: StackConfig) -> None:
        from app.retrieval.embedder import Embedder

        self._valkey: EmbeddedValkey | None = None
        if config.has_embedded_valkey:
            self._valkey = EmbeddedValkey(config.home, config.cache.store_memory_mb)
            self._valkey.start()
        self._embedder = Embedder(config.path(config.embedder.directory), config.embedder.threads)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return list(await asyncio.to_thread(self._embedder.embed, texts))

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    async def ping(self) -> bool:
        return True

    async def check_health(self) -> None:
        """Serve asks every 2 s: a Valkey that has died is started again, with what it had on disk."""
        if self._valkey is not None:
            await asyncio.to_thread(self._valkey.start)

    def __del__(self) -> None:
        if self._valkey is not None:
            self._valkey.stop()
