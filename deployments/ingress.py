"""The ingress deployment: the gateway behind Serve's HTTP proxy."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from app.cache.embedded import socket_path
from app.cache.exact import ExactCache
from app.cache.store import SharedStore
from app.config import StackConfig, load_secrets
from app.gateway.api import create_api
from app.gateway.gateway import Gateway
from app.gateway.health import Dependency, ReadinessCheck
from app.gateway.keys import Keyring
from app.guard.policy import policy_version
from app.pipeline.embeddings import EmbeddingPipeline
from app.pipeline.pipeline import Identity, Pipeline, Stages
from app.prompts import PromptBook
from app.provenance import model_revisions
from app.retrieval.knowledge import PublishedVersions
from app.telemetry.tracing import Tracing
from deployments.handles import CacheHandle, GuardHandle, ModelHandle, RetrieverHandle


@serve.ingress()
class Ingress:
    """Builds the gateway out of handles. See `app.gateway` and `app.pipeline`."""

    def __init__(
        self,
        config: StackConfig,
        guard: DeploymentHandle | None,
        cache: DeploymentHandle,
        retriever: DeploymentHandle,
        models: Mapping[str, DeploymentHandle],
    ) -> None:
        secrets = load_secrets(config.home)
        self._mlflow_url = config.observability.mlflow_url
        self._tracing = Tracing(config.observability) if self._mlflow_url else None
        self._shared = SharedStore.connect(config.cache.url, socket_path(config.home), config.cache.timeout_ms)
        self._prompts = PromptBook(config.prompts, prompt_names(config), self._mlflow_url)
        stages = Stages(
            guard=GuardHandle(guard, config.guard.timeout_ms) if guard else None,
            cache=ExactCache(config.cache, self._shared) if config.cache.enabled else None,
            embed=CacheHandle(cache),
            search=RetrieverHandle(retriever, config.retrieval.timeout_ms),
            versions=PublishedVersions(self._shared, config.retrieval.collection),
            models={name: ModelHandle(handle) for name, handle in models.items()},
            prompts=self._prompts,
        )
        identity = Identity(secrets.hash_key, policy_version(config.guard), model_revisions(config))
        self._gateway = Gateway(
            config=config.gateway,
            keyring=Keyring(secrets),
            pipeline=Pipeline(config, stages, identity),
            embeddings=EmbeddingPipeline(config.embedder, stages.embed),
            models=stages.models,
            listeners=[self._tracing] if self._tracing else [],
            readiness=ReadinessCheck(self._dependencies(config, stages)),
            links={"mlflow": self._mlflow_url, "ray": config.observability.dashboard_url},
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._gateway, self._background(), request_id_echoed=True)

    @asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        following = asyncio.create_task(self._prompts.follow())
        try:
            yield
        finally:
            following.cancel()
            await self._shared.close()
            if self._tracing:
                await asyncio.to_thread(self._tracing.close)

    def _dependencies(self, config: StackConfig, stages: Stages) -> dict[str, Dependency]:
        """What /readyz asks. A model that may scale to zero is not woken by it."""
        found: dict[str, Dependency] = {}
        if stages.guard:
            found["guard"] = Dependency(stages.guard.ping, required=config.guard.on_failure == "closed")
        found["embedder"] = Dependency(stages.embed.ping, required=False)
        found["knowledge base"] = Dependency(stages.search.ping, required=False)
        for model in config.models:
            if model.replicas.min > 0:
                found[f"model {model.id}"] = Dependency(stages.models[model.id].ping, required=True)
        if config.cache.enabled:
            found["cache store"] = Dependency(self._shared.ping, required=False)
        if self._mlflow_url:
            found["mlflow"] = Dependency(self._mlflow_answers, required=False)
        return found

    async def _mlflow_answers(self) -> bool:
        async with httpx.AsyncClient(base_url=self._mlflow_url or "", timeout=2) as client:
            return (await client.get("/health")).is_success


def prompt_names(config: StackConfig) -> set[str]:
    """The prompts that the configuration uses."""
    return {alias.prompt for alias in config.aliases.values() if alias.prompt} | {config.retrieval.prompt}
