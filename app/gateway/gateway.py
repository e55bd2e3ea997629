"""What the routes work with, in one place."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from app.accounts.directory import Directory
from app.accounts.store import AccountStore
from app.accounts.types import Caller
from app.batches.service import BatchService
from app.cache.admin import CacheAdmin
from app.config import GatewayConfig
from app.gateway.health import ReadinessCheck
from app.ledger.ledger import Ledger
from app.memory.memory import Memory
from app.pipeline.embeddings import EmbeddingPipeline
from app.pipeline.flight import Flight
from app.pipeline.knowledge_admin import KnowledgeAdmin
from app.pipeline.moderations import ModerationPipeline
from app.pipeline.pipeline import Pipeline
from app.pipeline.rerank import RerankPipeline
from app.pipeline.search import SearchPipeline
from app.pipeline.tokenize import TokenizePipeline
from app.routing.shed import Shedder
from app.telemetry.events import Listener, Timeline


@dataclass(frozen=True, slots=True)
class Pipelines:
    """What a request can travel through."""

    chat: Pipeline
    embeddings: EmbeddingPipeline
    moderations: ModerationPipeline
    tokenize: TokenizePipeline
    search: SearchPipeline
    rerank: RerankPipeline


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything behind the HTTP routes."""

    config: GatewayConfig
    directory: Directory
    accounts: AccountStore
    ledger: Ledger
    pipelines: Pipelines
    batches: BatchService
    cache_admin: CacheAdmin
    shedder: Shedder
    listeners: Sequence[Listener]
    readiness: ReadinessCheck
    knowledge: KnowledgeAdmin
    memory: Memory | None = None  # where it is turned off
    links: Mapping[str, str | None] = field(default_factory=dict)  # for the console

    def take_off(self, request_id: str, caller: Caller, operation: str, timeline: Timeline) -> Flight:
        """Begin a request; its deadline runs from here. Raises Unavailable when there is no room for it.

        It is to be settled, whatever happens: that also makes room for another.
        """
        place = ExitStack()
        place.enter_context(self.shedder.admitted(is_batch=caller.batch is not None))
        return Flight(
            request_id=request_id,
            caller=caller,
            operation=operation,
            deadline=asyncio.get_running_loop().time() + self.config.request_timeout_s,
            listeners=self.listeners,
            ledger=self.ledger,
            timeline=timeline,
            release=place.close,
        )
