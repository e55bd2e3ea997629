"""A pipeline on the bench: real stages in the middle, stand-ins around them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from app.accounts.book import Book
from app.accounts.directory import Directory
from app.accounts.store import AccountStore
from app.accounts.types import Caller
from app.batches.batch_records import BatchRecords
from app.batches.file_records import FileRecords
from app.batches.files import FileStore
from app.batches.service import BatchService
from app.cache.admin import CacheAdmin
from app.cache.exact import ExactCache
from app.cache.lease import Leases
from app.cache.use import CacheUse
from app.config import Secrets, StackConfig
from app.config.policy import PLACES
from app.gateway.gateway import Gateway, Pipelines
from app.gateway.health import Dependency, ReadinessCheck
from app.guard.screening import Screening, context_key
from app.ledger.ledger import Ledger
from app.memory.memory import Memory
from app.memory.ports import Ask
from app.pipeline.desks import Identity
from app.pipeline.dispatching import Dispatching
from app.pipeline.embeddings import EmbeddingPipeline
from app.pipeline.flight import Flight
from app.pipeline.knowledge_admin import KnowledgeAdmin
from app.pipeline.moderations import ModerationPipeline
from app.pipeline.output import content_of
from app.pipeline.pipeline import Pipeline, Reply, Stages
from app.pipeline.ports import ModelPort
from app.pipeline.rerank import RerankPipeline
from app.pipeline.route import Router
from app.pipeline.screen import Guarding
from app.pipeline.search import SearchPipeline
from app.pipeline.tokenize import TokenizePipeline
from app.prompts import PromptBook
from app.routing.board import TargetBoard
from app.routing.catalogue import Catalogue
from app.routing.dispatch import Dispatcher
from app.routing.planner import Planner
from app.routing.shed import Shedder
from app.sql.database import database_url, open_database
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from tests.unit.cache.dict_store import DictStore
from tests.unit.fake_model import FakeModel
from tests.unit.fakes import (
    FakeContextRail,
    FakeEmbed,
    FakeGuard,
    FakeLedger,
    FakeSearch,
    FakeSemantic,
    FakeVersions,
    Recorder,
)

API_KEY, ADMIN_KEY = "sk-test", "sk-admin-test"
PROMPTS = {
    "assistant": "You are terse.",
    "answer-from-documents": "PASSAGES\n{{passages}}\nQUESTION {{question}}",
}


# Its one rail lets requests pass when it fails.
OPEN_GUARD = {"policy": {"input": [{"rail": "pii", "on_failure": "open"}], "tool_result": [], "output": []}}


def stack_config(home: Path, **sections: Any) -> StackConfig:
    """A configuration with model `m`, aliases `chat` and `docs`, and prompts in `home`."""
    prompts = home / "prompts"
    prompts.mkdir(exist_ok=True)
    for name, template in PROMPTS.items():
        (prompts / f"{name}.md").write_text(template)
    return StackConfig.model_validate(
        {
            "home": home,
            "models": [{"id": "m", "source": "org/m"}],
            "aliases": {"chat": {"model": "m", "prompt": "assistant"}, "docs": {"model": "m", "retrieval": True}},
            "prompts": {"directory": str(prompts)},
            # Rails on answers hold them back: the tests of these turn them on.
            "guard": {"policy": {"output": []}},
            # Where nothing is found the model is asked; test_pipeline_retrieval.py has what happens otherwise.
            "retrieval": {"on_nothing": "ask"},
            **sections,
        }
    )


class Bench:
    """Holds the stand-ins. The pipeline is made anew for each request, so any of them can be exchanged."""

    def __init__(self, config: StackConfig) -> None:
        self.config = config
        self.guard: FakeGuard | None = FakeGuard()
        self.embed = FakeEmbed()
        self.search = FakeSearch()
        self.versions = FakeVersions()
        self.model = FakeModel()
        self.store = DictStore()
        self.recorder = Recorder()
        self.ledger = FakeLedger()
        self.semantic: FakeSemantic | None = None
        self.leases: Leases | None = None
        self.rewriter: Ask | None = None
        self.memory: Memory | None = None
        self.context_rail = FakeContextRail()  # all of the policies' that are none of texts alone
        self.context_rails = {
            context_key(place, rail): self.context_rail
            for policy in config.guard.named.values()
            for place in PLACES
            for rail in policy.at(place)
        }
        policies = {name: f"{name}-1" for name in config.guard.named}
        self.identity = Identity(b"hash key", policies, dict.fromkeys(config.model_ids, "rev-1"))
        self.dependencies: Mapping[str, Dependency] = {}
        self.forget()

    def forget(self) -> None:
        """Empty the memory tier: the next look-up goes to the shared store."""
        self._cache = ExactCache(self.config.cache, self.store, self.identity.hash_key)

    @property
    def screening(self) -> Screening | None:
        if self.guard is None:
            return None
        policies = self.guard.policies = self.config.guard.named
        return Screening(policies, self.guard, self.context_rails)

    @property
    def stages(self) -> Stages:
        names = {"assistant", "answer-from-documents"}
        catalogue, board = Catalogue(self.config), TargetBoard(self.config.routing)
        return Stages(
            guard=self.screening,
            cache=self._cache if self.config.cache.enabled else None,
            embed=self.embed,
            search=self.search,
            versions=self.versions,
            router=Router(self.config, catalogue),
            dispatching=Dispatching(
                Planner(catalogue, self.config.aliases, board),
                Dispatcher(self.config.routing, self.models, board),
                self.config.gateway.request_timeout_s,
            ),
            prompts=PromptBook(self.config.prompts, names, None),
            semantic=self.semantic,
            leases=self.leases,
            ask=self.rewriter,
            memory=self.memory,
        )

    @property
    def pipelines(self) -> Pipelines:
        stages = self.stages
        return Pipelines(
            chat=Pipeline(self.config, stages, self.identity),
            embeddings=EmbeddingPipeline(self.config.embedder, self.embed),
            moderations=ModerationPipeline(self.config.guard, stages.guard, self.identity.guard_policies),
            tokenize=TokenizePipeline(stages.router, self.models),
            search=SearchPipeline(
                self.config,
                self.embed,
                self.search,
                Guarding(self.config.guard, stages.guard, self.identity.hash_key),
            ),
            rerank=RerankPipeline(self.config, self.embed, self.search),
        )

    @property
    def pipeline(self) -> Pipeline:
        return self.pipelines.chat

    @property
    def models(self) -> dict[str, ModelPort]:
        """One stand-in for all of them."""
        return dict.fromkeys(self.config.model_ids, self.model)

    @property
    def gateway(self) -> Gateway:
        secrets = Secrets(API_KEY, ADMIN_KEY, b"hash key")
        engine = open_database(database_url(None, self.config.home))  # connects at first use: never, here
        directory = Directory(secrets, engine, self.config.accounts)
        directory.use(Book())
        files = FileStore(self.config.home / "files")
        return Gateway(
            config=self.config.gateway,
            directory=directory,
            accounts=AccountStore(engine, secrets),
            ledger=cast(Ledger, self.ledger),
            pipelines=self.pipelines,
            batches=BatchService(self.config.batches, FileRecords(engine), BatchRecords(engine), files),
            cache_admin=CacheAdmin(self._cache, None, "bench"),
            shedder=Shedder(self.config.gateway.max_in_progress, self.config.gateway.batch_share),
            listeners=[self.recorder],
            readiness=ReadinessCheck(self.dependencies),
            memory=self.memory,
            knowledge=KnowledgeAdmin(self.embed, self.search),
        )

    def flight(self, operation: str = "chat", tenant: str = "default", **facts: Any) -> Flight:
        return Flight(
            request_id="req-1",
            caller=Caller(tenant, "key-1", **facts),
            operation=operation,
            deadline=asyncio.get_running_loop().time() + self.config.gateway.request_timeout_s,
            listeners=[self.recorder],
            ledger=self.ledger,
        )

    async def ask(
        self, content: str = "Hi there.", *, tenant: str = "default", use: CacheUse | None = None, **fields: Any
    ) -> Reply:
        """A chat request: model `m`, temperature 0, one user turn, unless `fields` say otherwise."""
        fields = {"messages": [{"role": "user", "content": content}], **fields}
        return await self.send(fields, self.flight(tenant=tenant), use)

    async def send(
        self,
        fields: dict[str, Any],
        flight: Flight,
        use: CacheUse | None = None,
        pipeline: Pipeline | None = None,
    ) -> Reply:
        """A chat request in this flight, through a pipeline of its own unless one is given."""
        usual = {"model": "m", "messages": [{"role": "user", "content": "Hi there."}], "temperature": 0}
        request = ChatRequest.model_validate({**usual, **fields})
        return await (pipeline or self.pipeline).answer(request, flight, use or CacheUse())

    async def answer(self, content: str = "Hi there.", **fields: Any) -> dict[str, Any]:
        """A whole answer."""
        reply = await self.ask(content, **fields)
        assert reply.body is not None
        return reply.body

    async def chunks(self, content: str = "Hi there.", **fields: Any) -> list[dict[str, Any]]:
        """All chunks of a streamed answer."""
        reply = await self.ask(content, stream=True, **fields)
        assert reply.chunks is not None
        return [chunk async for chunk in reply.chunks]

    async def complete(self, prompt: str | list[str], **fields: Any) -> Reply:
        """A text completion."""
        request = CompletionRequest.model_validate({"model": "m", "prompt": prompt, "temperature": 0, **fields})
        return await self.pipeline.answer(request, self.flight(operation="text_completion"), CacheUse())


def text_of(answer: dict[str, Any] | list[dict[str, Any]]) -> str:
    """The text of a whole answer, or of the chunks of a stream."""
    parts = answer if isinstance(answer, list) else [answer]
    return "".join(content_of(choice) for part in parts for choice in part.get("choices", ()))
