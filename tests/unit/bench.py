"""A pipeline on the bench: real stages in the middle, stand-ins around them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.cache.desk import CacheUse
from app.cache.exact import ExactCache
from app.config import Secrets, StackConfig
from app.gateway.gateway import Gateway
from app.gateway.health import Dependency, ReadinessCheck
from app.gateway.keys import Keyring
from app.pipeline.embeddings import EmbeddingPipeline
from app.pipeline.flight import Caller, Flight
from app.pipeline.output import content_of
from app.pipeline.pipeline import Identity, Pipeline, Reply, Stages
from app.prompts import PromptBook
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from tests.unit.fakes import DictStore, FakeEmbed, FakeGuard, FakeModel, FakeSearch, FakeVersions, Recorder

API_KEY, ADMIN_KEY = "sk-test", "sk-admin-test"
PROMPTS = {
    "assistant": "You are terse.",
    "answer-from-documents": "PASSAGES\n{{passages}}\nQUESTION {{question}}",
}


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
        self.identity = Identity(b"hash key", "policy-1", {model.id: "rev-1" for model in config.models})
        self.dependencies: Mapping[str, Dependency] = {}
        self.forget()

    def forget(self) -> None:
        """Empty the memory tier: the next look-up goes to the shared store."""
        self._cache = ExactCache(self.config.cache, self.store)

    @property
    def pipeline(self) -> Pipeline:
        names = {"assistant", "answer-from-documents"}
        stages = Stages(
            guard=self.guard,
            cache=self._cache if self.config.cache.enabled else None,
            embed=self.embed,
            search=self.search,
            versions=self.versions,
            models={model.id: self.model for model in self.config.models},
            prompts=PromptBook(self.config.prompts, names, None),
        )
        return Pipeline(self.config, stages, self.identity)

    @property
    def gateway(self) -> Gateway:
        return Gateway(
            config=self.config.gateway,
            keyring=Keyring(Secrets(API_KEY, ADMIN_KEY, b"hash key")),
            pipeline=self.pipeline,
            embeddings=EmbeddingPipeline(self.config.embedder, self.embed),
            models={model.id: self.model for model in self.config.models},
            listeners=[self.recorder],
            readiness=ReadinessCheck(self.dependencies),
        )

    def flight(self, operation: str = "chat", tenant: str = "default") -> Flight:
        return Flight(
            request_id="req-1",
            caller=Caller(tenant, "key-1"),
            operation=operation,
            deadline=asyncio.get_running_loop().time() + self.config.gateway.request_timeout_s,
            listeners=[self.recorder],
        )

    async def ask(
        self, content: str = "Hi there.", *, tenant: str = "default", use: CacheUse | None = None, **fields: Any
    ) -> Reply:
        """A chat request: model `m`, temperature 0, one user turn, unless `fields` say otherwise."""
        body = {"model": "m", "messages": [{"role": "user", "content": content}], "temperature": 0, **fields}
        request = ChatRequest.model_validate(body)
        return await self.pipeline.answer(request, self.flight(tenant=tenant), use or CacheUse())

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
