"""The ingress deployment: the gateway behind Serve's HTTP proxy."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from app.batches.batch_records import BatchRecords
from app.batches.file_records import FileRecords
from app.batches.files import FileStore
from app.batches.runner import BatchRunner
from app.batches.service import BatchService
from app.cache.admin import CacheAdmin
from app.cache.embedded import socket_path
from app.cache.exact import ExactCache
from app.cache.lease import Leases
from app.cache.store import SharedStore
from app.config import StackConfig, load_secrets
from app.direct_calls import DirectClient, direct_path
from app.gateway.api import create_api
from app.gateway.gateway import Gateway, Pipelines
from app.gateway.health import Dependency, ReadinessCheck
from app.guard.policy import policy_versions
from app.mlflow_access import mlflow_answers
from app.pipeline.asides import Asides
from app.pipeline.desks import Identity
from app.pipeline.embeddings import EmbeddingPipeline
from app.pipeline.knowledge_admin import KnowledgeAdmin
from app.pipeline.moderations import ModerationPipeline
from app.pipeline.pipeline import Pipeline, Stages
from app.pipeline.ports import ModelPort
from app.pipeline.rerank import RerankPipeline
from app.pipeline.route import Router
from app.pipeline.search import SearchPipeline
from app.pipeline.tokenize import TokenizePipeline
from app.prompts import PromptBook
from app.provenance import model_revisions
from app.providers.build import build_providers
from app.retrieval.knowledge import PublishedVersions
from app.routing.board import TargetBoard
from app.routing.catalogue import Catalogue
from app.routing.shadow import Shadow
from app.routing.shed import Shedder
from app.telemetry.routing_log import log_routing
from app.telemetry.tracing import Tracing
from deployments.accounting import open_accounting
from deployments.batches import RayJobs
from deployments.cache import DIRECT as CACHE_SOCKET
from deployments.guarding import needs_guard, open_screening
from deployments.handles import CacheHandle, GuardHandle, ModelHandle, RetrieverHandle, SemanticHandle
from deployments.memory import open_memory
from deployments.retriever import DIRECT as RETRIEVER_SOCKET
from deployments.routing import build_dispatching
from deployments.routing_metrics import RoutingMetrics

MODELS = "models"  # all that generate


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
        self._providers = build_providers(config, config.home, os.environ)
        self._accounting = open_accounting(config, secrets)
        ports: dict[str, ModelPort] = {
            **{name: ModelHandle(handle) for name, handle in models.items()},
            **self._providers.models,
        }
        catalogue, board = Catalogue(config), TargetBoard(config.routing, listeners=[log_routing])
        metrics = RoutingMetrics()
        self._shadow = Shadow(ports, [metrics])
        self._exact = ExactCache(config.cache, self._shared, secrets.hash_key) if config.cache.enabled else None
        self._leases = Leases(self._shared) if config.gateway.replicas > 1 else None
        direct = DirectClient(direct_path(config.home, CACHE_SOCKET))
        embedder = CacheHandle(cache, direct)
        semantic = (
            SemanticHandle(cache, config.cache.semantic.timeout_ms, direct) if config.has_semantic_cache else None
        )
        screening = None
        if guard is not None:
            far = GuardHandle(guard, config.guard.far_timeout_ms)
            screening = open_screening(config, far, ports, catalogue, embedder)
        direct = DirectClient(direct_path(config.home, RETRIEVER_SOCKET))
        knowledge = RetrieverHandle(retriever, config.retrieval.timeout_ms, direct)
        stages = Stages(
            guard=screening,
            cache=self._exact,
            semantic=semantic,
            leases=self._leases,
            embed=embedder,
            search=knowledge,
            versions=PublishedVersions(self._shared, config.retrieval.collection),
            router=Router(config, catalogue),
            dispatching=build_dispatching(config, catalogue, ports, board, self._shadow),
            prompts=self._prompts,
        )
        files, batches = FileStore(config.path(str(config.batches.directory))), BatchRecords(self._accounting.engine)
        self._runner = BatchRunner(config.batches, batches, files, RayJobs(config))
        revisions = model_revisions(config)
        identity = Identity(secrets.hash_key, policy_versions(config.guard, revisions), revisions)
        listeners = [self._tracing] if self._tracing else []
        self._memory = open_memory(config, secrets, self._accounting, self._shared, stages, identity, ports, listeners)
        stages = replace(
            stages,
            memory=self._memory,
            ask=Asides(stages.router, stages.dispatching, self._accounting.ledger, listeners, "rewrite"),
        )
        self._pipeline = Pipeline(config, stages, identity)
        self._gateway = Gateway(
            config=config.gateway,
            directory=self._accounting.directory,
            accounts=self._accounting.store,
            ledger=self._accounting.ledger,
            pipelines=Pipelines(
                chat=self._pipeline,
                embeddings=EmbeddingPipeline(config.embedder, stages.embed),
                moderations=ModerationPipeline(config.guard, stages.guard, identity.guard_policies),
                tokenize=TokenizePipeline(stages.router, ports),
                search=SearchPipeline(config, stages.embed, knowledge, self._pipeline.guarding),
                rerank=RerankPipeline(config, stages.embed, knowledge),
            ),
            batches=BatchService(
                config.batches, FileRecords(self._accounting.engine), batches, files, self._runner.wake
            ),
            cache_admin=CacheAdmin(self._exact, semantic, replica_name()),
            shedder=Shedder(config.gateway.max_in_progress, config.gateway.batch_share, [metrics]),
            listeners=listeners,
            readiness=ReadinessCheck(self._dependencies(config, stages, ports), board.snapshot),
            knowledge=KnowledgeAdmin(stages.embed, knowledge),
            memory=self._memory,
            links={"mlflow": self._mlflow_url, "ray": config.observability.dashboard_url},
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._gateway, self._background(), request_id_echoed=True)

    @asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if self._tracing:
                stack.push_async_callback(asyncio.to_thread, self._tracing.close)
            stack.push_async_callback(self._shared.close)
            stack.push_async_callback(self._providers.aclose)
            stack.push_async_callback(self._shadow.aclose)
            await stack.enter_async_context(self._accounting.running())
            if self._leases:
                stack.push_async_callback(self._leases.aclose)
            if self._exact:
                stack.push_async_callback(self._exact.kept)
            stack.push_async_callback(self._pipeline.caching.background.aclose)
            if self._memory:
                stack.push_async_callback(self._memory.background.aclose)
            for work in (
                self._prompts.follow(),
                self._runner.follow(),
                *([self._exact.follow()] if self._exact else []),
                *([self._memory.sweeper.follow()] if self._memory else []),
            ):
                stack.callback(asyncio.create_task(work).cancel)
            yield

    def _dependencies(
        self, config: StackConfig, stages: Stages, ports: Mapping[str, ModelPort]
    ) -> dict[str, Dependency]:
        """What /readyz asks. A model that may scale to zero is not woken by it, and no provider is paid for it.

        One model that answers is enough. Hosted models alone are never missed: a provider that was down is only asked
        again by a request, which would not come.
        """
        found: dict[str, Dependency] = {}
        if stages.guard:
            found["guard"] = Dependency(stages.guard.text_rails.ping, required=needs_guard(config.guard))
        found["embedder"] = Dependency(stages.embed.ping, required=False)
        found["knowledge base"] = Dependency(stages.search.ping, required=False)
        for model in config.models:
            if model.replicas.min > 0:
                found[f"model {model.id}"] = Dependency(ports[model.id].ping, required=True, group=MODELS)
        for hosted in config.hosted:
            found[f"model {hosted.id}"] = Dependency(ports[hosted.id].ping, required=False, group=MODELS)
        if config.cache.enabled:
            found["cache store"] = Dependency(self._shared.ping, required=False)
        found["accounts"] = Dependency(self._accounting.ping, required=True)
        found["ledger"] = Dependency(self._accounting.ledger.ping, required=config.ledger.on_store_failure == "closed")
        if self._mlflow_url:
            found["mlflow"] = Dependency(partial(mlflow_answers, self._mlflow_url, timeout_s=2), required=False)
        return found


def replica_name() -> str:
    """Of this ingress process."""
    return str(serve.get_replica_context().replica_id.unique_id)


def prompt_names(config: StackConfig) -> set[str]:
    """The prompts that the configuration uses."""
    return {alias.prompt for alias in config.aliases.values() if alias.prompt} | {config.retrieval.prompt}
