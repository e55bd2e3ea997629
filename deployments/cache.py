"""The cache deployment: home of the embedded Valkey, of the embedder, and of the semantic tier.

The exact tier's look-ups go from the ingress straight to Valkey's socket. Texts are embedded here, once a request;
where the semantic tier is on, one call embeds a question and finds what means the same. The vector travels on.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ray.serve.handle import DeploymentHandle

from app.cache.desk import Place
from app.cache.embedded import EmbeddedValkey
from app.cache.semantic.types import Proposal
from app.config import StackConfig
from app.direct_calls import DirectServer, Method, direct_path
from app.errors import Unavailable
from app.retrieval.types import Vector
from deployments.threads import share_fairly

if TYPE_CHECKING:
    from deployments import semantic

DIRECT = "cache"  # its socket, for ingress processes on the same machine


class Cache:
    """Embeds, and compares by meaning. Owns the embedded stores, where there are some."""

    def __init__(self, config: StackConfig, judging_model: DeploymentHandle | None = None) -> None:
        from app.retrieval.embedder import Embedder

        share_fairly()
        self._valkey: EmbeddedValkey | None = None
        self._semantics: semantic.Semantics | None = None
        if config.has_embedded_valkey:
            self._valkey = EmbeddedValkey(config.home, config.cache.store_memory_mb)
            self._valkey.start()
        self._embedder = Embedder(config.path(config.embedder.directory), config.embedder.threads)
        if config.has_semantic_cache:
            from deployments.semantic import Semantics

            self._semantics = Semantics(config, self._embedder, judging_model)
        methods: dict[str, Method] = {
            "embed": self.embed,
            "count_tokens": self.count_tokens,
            "find": self._find_directly,
            "remember": self.remember,
        }
        self._direct = DirectServer(direct_path(config.home, DIRECT), methods)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return list(await asyncio.to_thread(self._embedder.embed, texts))

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    async def find(self, place: Place, vector: Vector | None) -> tuple[Vector, Proposal | None]:
        return await self._tier.find(place, vector)

    async def remember(self, place: Place, vector: Vector | None, ttl_s: float) -> None:
        await self._tier.remember(place, vector, ttl_s)

    async def compare(self, place: Place, proposal: Proposal, old: str, new: str) -> bool | None:
        return await self._tier.compare(place, proposal, old, new)

    async def forget(self, entry_id: str) -> None:
        await self._tier.forget(entry_id)

    async def purge(self, tenant: str | None) -> int:
        return await self._tier.purge(tenant)

    async def semantic_stats(self) -> dict[str, Any]:
        return await self._tier.stats()

    async def ping(self) -> bool:
        return True

    async def check_health(self) -> None:
        """Serve asks before the first request and every 2 s: a Valkey that has died is started again, with what it had
        on disk."""
        await self._direct.listen()
        if self._valkey is not None:
            await asyncio.to_thread(self._valkey.start)

    async def _find_directly(self, place: Place, vector: Vector | None) -> tuple[Vector, Proposal | None]:
        return await self._tier.find(place, vector, is_alone=self._direct.is_alone)

    @property
    def _tier(self) -> "semantic.Semantics":
        if self._semantics is None:
            raise Unavailable("The semantic cache is turned off.")
        return self._semantics

    async def __del__(self) -> None:
        self._direct.close()
        if self._semantics is not None:
            await self._semantics.close()
        if self._valkey is not None:
            self._valkey.stop()
