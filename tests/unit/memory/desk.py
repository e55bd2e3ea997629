"""The pipeline with memory, a model that says what a test wants, and everything in a real database."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.types import Caller
from app.cache.background import Background
from app.errors import Unavailable
from app.memory.build import build_memory
from app.memory.memory import Memory
from app.pipeline.asides import Asides
from app.pipeline.ports import Task
from app.routing.target import Target
from tests.unit.bench import Bench, stack_config, text_of
from tests.unit.fake_model import FakeModel

CONTEXT = 2048


@dataclass
class TalkingModel(FakeModel):
    """Says what `say` makes of a body."""

    say: Callable[[dict[str, Any]], str] = lambda body: "All right."

    async def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncIterator[dict[str, Any]]:
        self.pieces = re.findall(r"\S+\s*", self.say(body))
        async for chunk in super().stream(task, body, request_id):
            yield chunk

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        self.pieces = (self.say(body),)
        return await super().complete(task, body, request_id)


@dataclass
class FakeTraces:
    """What is to be deleted, by tag; with `error`, fails."""

    deleted: list[tuple[str, str]] = field(default_factory=list)
    error: Exception | None = None

    async def delete(self, tag: str, value: str) -> int:
        if self.error:
            raise self.error
        self.deleted.append((tag, value))
        return 1


@dataclass
class FakeLease:
    """Held by `holder`; None: by nobody."""

    holder: bytes | None = None

    async def claim(self, key: str, owner: bytes, ttl_s: float) -> bytes | None:
        return self.holder


class Desk(Bench):
    """A bench with memory. `tokens`: what the tokenizer counts; None: it does not tell."""

    def __init__(self, engine: AsyncEngine, home: Path, **sections: Any) -> None:
        models = [{"id": "m", "source": "org/m", "engine": {"max_model_len": CONTEXT}}]
        super().__init__(stack_config(home, **{"models": models, **sections}))
        self.model = self.talking = TalkingModel()
        self.engine = engine
        self.tokens: Callable[[str], int] | None = lambda text: max(1, len(text) // 4)
        self.traces, self.lease = FakeTraces(), FakeLease()
        self.memory = self.remembering = self._memory()

    def renew(self) -> None:
        """Build the memory anew, as after a restart or in another replica."""
        self.memory = self.remembering = self._memory()

    async def say(
        self, content: str, conversation: str | None = None, *, caller: Caller | None = None, **fields: Any
    ) -> str:
        """A turn; the answer as the client reads it. The background has done its work when it returns."""
        caller = caller or Caller("default", "key-1")
        flight = self.flight(tenant=caller.tenant, customer=caller.customer)
        body = {"messages": [{"role": "user", "content": content}], "conversation": conversation, **fields}
        reply = await self.send({name: value for name, value in body.items() if value is not None}, flight)
        answer = reply.body if reply.chunks is None else [chunk async for chunk in reply.chunks]
        assert answer is not None
        await self.remembering.background.done()
        return text_of(answer)

    async def begin(self, caller: Caller | None = None, **metadata: str) -> str:
        """A new conversation's id."""
        conversation = await self.remembering.conversations.create(caller or Caller("default", "key-1"), metadata)
        return conversation.id

    @property
    def prompt(self) -> list[dict[str, Any]]:
        """What the model was asked last, summaries and extractions aside."""
        asked = [body for body in self.model.bodies if "messages" in body and not is_aside(body)]
        messages: list[dict[str, Any]] = asked[-1]["messages"]
        return messages

    @property
    def asides(self) -> list[dict[str, Any]]:
        """What memory asked the model."""
        return [body for body in self.model.bodies if is_aside(body)]

    async def rows(self, table: Table) -> list[Any]:
        async with self.engine.connect() as connection:
            return list(await connection.execute(select(table)))

    async def _count(self, target: Target, text: str) -> int | None:
        return None if self.tokens is None else self.tokens(text)

    def _memory(self) -> Memory:
        stages = self.stages
        return build_memory(
            self.config,
            self.identity.hash_key,
            engine=self.engine,
            screening=self.screening,
            identities=self.identity.guard_policies,
            embeds=self.embed,
            ask=Asides(stages.router, stages.dispatching, self.ledger, [self.recorder]),
            count=self._count,
            traces=self.traces,
            lease=self.lease,
            background=Background(16),
        )


def open_desk(engine: AsyncEngine, home: Path, **sections: Any) -> Desk:
    return Desk(engine, home, **sections)


def is_aside(body: dict[str, Any]) -> bool:
    first: str = body["messages"][0]["content"]
    return first.startswith(("Summarise a conversation", "You keep notes"))


def said(messages: list[dict[str, Any]]) -> str:
    """All of a prompt, as text."""
    return "\n".join(str(message.get("content")) for message in messages)


AWAY = Unavailable("away")
