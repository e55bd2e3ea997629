"""The semantic tier as the Cache deployment holds it: put together, fed with vectors, its errors exported."""

import asyncio
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.serve.handle import DeploymentHandle
from ray.util.metrics import Gauge

from app.cache.desk import Place
from app.cache.embedded import socket_path
from app.cache.judge import load_judge
from app.cache.semantic.agreement import Agreement, Ask
from app.cache.semantic.edge_index import EdgeIndex
from app.cache.semantic.server_index import ServerIndex
from app.cache.semantic.tally import ErrorRate, Tally
from app.cache.semantic.tier import SemanticTier
from app.cache.semantic.types import Proposal, SemanticIndex
from app.cache.store import open_client
from app.config import SemanticConfig, StackConfig
from app.pipeline.output import content_of
from app.pipeline.ports import ModelPort
from app.providers.build import build_providers
from app.retrieval.embedder import Embedder
from app.retrieval.types import Vector
from app.routing.catalogue import Catalogue
from deployments.handles import ModelHandle

TENANT = ("tenant",)
# Embedded and judged within 4 ms: a lone one is not worth two changes of threads.
SHORT_CHARACTERS = 200


class Semantics:
    """What the Cache deployment does for questions that mean the same."""

    def __init__(self, config: StackConfig, embedder: Embedder, judging_model: DeploymentHandle | None) -> None:
        settings = config.cache.semantic
        self._embedder = embedder
        self._is_judged = settings.second_check
        self._judge = load_judge(embedder, config.cache_judge)
        self._tier = SemanticTier(
            settings,
            open_index(config, embedder.dimensions),
            self._judge,
            Tally(
                open_client(config.cache.url, socket_path(config.home)),
                max_error_rate=settings.max_error_rate,
                min_judged=settings.min_judged,
                window_h=settings.window_h,
                timeout_s=config.cache.timeout_ms / 1000,
            ),
        )
        self._agreement = Agreement(settings.agreement, self._embed, asker(config, judging_model))
        self._rate = Gauge("sextant_cache_false_hit_rate", "Wrong among judged hits of the semantic cache.", TENANT)
        self._low = Gauge("sextant_cache_false_hit_rate_low", "Lower end of its 99% interval.", TENANT)
        self._high = Gauge("sextant_cache_false_hit_rate_high", "Upper end of its 99% interval.", TENANT)
        self._judged = Gauge("sextant_cache_judged_hits", "Hits that were judged, in the window.", TENANT)

    async def find(
        self, place: Place, vector: Vector | None, *, is_alone: bool = False
    ) -> tuple[Vector, Proposal | None]:
        here = is_alone and len(place.question) <= SHORT_CHARACTERS
        if vector is None:
            asked = place.question, place.tenant
            vector = self._judge.vector(*asked) if here else await asyncio.to_thread(self._judge.vector, *asked)
        if not place.is_read:
            return vector, None  # for `remember` alone
        return vector, await self._tier.find(place.tenant, place.scope, place.question, vector, here=here)

    async def remember(self, place: Place, vector: Vector | None, ttl_s: float) -> None:
        if vector is None:
            vector = await asyncio.to_thread(self._judge.vector, place.question, place.tenant)
        await self._tier.remember(place.tenant, place.scope, place.question, vector, place.key, ttl_s)
        if self._is_judged:
            # Nobody waits here. Else the first question that means the same would wait for another run of the model.
            await asyncio.to_thread(self._judge.look, place.question, place.tenant)

    async def compare(self, place: Place, proposal: Proposal, old: str, new: str) -> bool | None:
        same = await self._agreement.same(place.question, old, new)
        if same is not None:
            await self._tier.observe(place.tenant, proposal, same)
            self._export(self._tier.error_rate(place.tenant))
        return same

    async def forget(self, entry_id: str) -> None:
        await self._tier.forget(entry_id)

    async def purge(self, tenant: str | None) -> int:
        return await self._tier.purge(tenant)

    async def stats(self) -> dict[str, Any]:
        stats = await self._tier.stats()
        return {**asdict(stats), "tenants": [{**asdict(rate), "rate": rate.rate} for rate in stats.tenants]}

    async def close(self) -> None:
        await self._tier.close()

    async def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await asyncio.to_thread(self._embedder.embed, texts)

    def _export(self, rate: ErrorRate) -> None:
        tags = {"tenant": rate.tenant}
        self._rate.set(rate.rate, tags)
        self._low.set(rate.low, tags)
        self._high.set(rate.high, tags)
        self._judged.set(rate.judged, tags)


def open_index(config: StackConfig, dimensions: int) -> SemanticIndex:
    """The index that the configuration names."""
    settings = config.cache.semantic
    if settings.url is None:
        return EdgeIndex(config.path("qdrant") / settings.collection, dimensions, settings.max_entries)
    return ServerIndex.connect(
        settings.url,
        settings.collection,
        dimensions,
        settings.max_entries,
        config.cache.timeout_ms,
        settings.grpc_port,
    )


def asker(config: StackConfig, local: DeploymentHandle | None) -> Ask | None:
    """Who is asked whether two answers say the same; None where the configuration wants no model for it."""
    settings: SemanticConfig = config.cache.semantic
    if settings.agreement.method != "model" or settings.agreement.model is None:
        return None
    target = Catalogue(config).target(settings.agreement.model)
    port: ModelPort = (
        ModelHandle(local) if local else build_providers(config, config.home, os.environ).models[target.id]
    )

    async def ask(prompt: str) -> str:
        body = {
            "model": target.engine_model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": 8,
        }
        answer = await port.complete("chat", body, uuid.uuid4().hex)
        return content_of(answer["choices"][0])

    return ask
