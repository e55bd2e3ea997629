"""Stand-ins for targets, and trips past them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from app.config.money import PriceConfig
from app.config.routing import RoutingConfig
from app.errors import UpstreamFailed, UpstreamRateLimited
from app.pipeline.draft import Draft
from app.pipeline.ports import Task
from app.routing.board import TargetBoard
from app.routing.dispatch import Dispatcher
from app.routing.events import RoutingEvent
from app.routing.shadow import Shadow
from app.routing.target import Target
from app.routing.types import Plan, Trip
from tests.unit.routing.virtual_time import now

DOWN = UpstreamFailed("down")


def limited(retry_after_s: float | None = None) -> UpstreamRateLimited:
    return UpstreamRateLimited("slow down", retry_after_s=retry_after_s)


def target(name: str, window: int | None = None, **price: float) -> Target:
    return Target(name, f"{name}-engine", "double", PriceConfig(**price), context_window=window)


@dataclass
class Act:
    """What a port does with one call: the role at once, then `pieces`, then its end (or `error`, or a cut)."""

    pieces: Sequence[str] = ("Hello", " world")
    first_after_s: float = 0
    between_s: float = 0
    error: Exception | None = None  # with no pieces: instead of an answer
    is_cut: bool = False

    async def play(self) -> AsyncIterator[dict[str, Any]]:
        await asyncio.sleep(0)
        if self.error is None or self.pieces:
            yield chunk({"role": "assistant", "content": ""})
        await asyncio.sleep(self.first_after_s)
        for position, piece in enumerate(self.pieces):
            await asyncio.sleep(self.between_s if position else 0)
            yield chunk({"content": piece})
        if self.error is not None:
            raise self.error
        if not self.is_cut:
            yield chunk({}, finish="stop")
            yield {"id": "x", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(self.pieces)}}


def failing(error: Exception) -> Act:
    """Fails before anything has come."""
    return Act(pieces=(), error=error)


def hanging() -> Act:
    """Says its role and then nothing for an hour."""
    return Act(first_after_s=3600)


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


class ScriptedPort:
    """Plays an act for each call, the last one again and again."""

    def __init__(self, *acts: Act) -> None:
        self.acts = list(acts) or [Act()]
        self.called_at: list[float] = []
        self.bodies: list[dict[str, Any]] = []
        self.request_ids: list[str] = []
        self.open = 0

    async def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncIterator[dict[str, Any]]:
        self.called_at.append(now())
        self.bodies.append(body)
        self.request_ids.append(request_id)
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        self.open += 1
        try:
            async for part in act.play():
                yield part
        finally:
            # Closing takes a moment: who does not await it sees `open` above 0.
            await asyncio.sleep(0.001)
            self.open -= 1

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        parts = [part async for part in self.stream(task, body, request_id)]
        return {"choices": [{"message": {"content": text_of(parts)}}], "usage": parts[-1]["usage"]}

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    async def ping(self) -> bool:
        return True


def text_of(parts: Sequence[dict[str, Any]]) -> str:
    """The text of a stream's chunks."""
    return "".join(choice["delta"].get("content", "") for part in parts for choice in part["choices"])


@dataclass
class Journey:
    """Ports behind a dispatcher, in the running loop's time. Keyword arguments are routing settings."""

    ports: Mapping[str, ScriptedPort]
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    refusals: dict[str, Exception] = field(default_factory=dict)  # by target: what its reservation raises
    reserved: list[str] = field(default_factory=list)
    is_lost: bool = False  # another process has settled the request
    events: list[RoutingEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = RoutingConfig(**self.settings)
        self.board = TargetBoard(config, clock=now, listeners=[self.events.append])
        self.shadow = Shadow(self.ports, [self.events.append], max_in_flight=2)
        random = Random(self.seed)
        self.dispatcher = Dispatcher(config, self.ports, self.board, shadow=self.shadow, random=random)

    def trip(self, *order: str | Target, deadline_s: float = 300, stream: bool = True, **plan: Any) -> Trip:
        async def reserve(chosen: Target) -> None:
            await asyncio.sleep(0)
            self.reserved.append(chosen.id)
            if chosen.id in self.refusals:
                raise self.refusals[chosen.id]

        targets = tuple(name if isinstance(name, Target) else target(name) for name in order)
        draft = Draft("chat", {"messages": [{"role": "user", "content": "Hi"}], **({"stream": True} if stream else {})})
        return Trip(
            Plan(targets, "test", **plan), draft, "answer-1", now() + deadline_s, reserve, is_lost=lambda: self.is_lost
        )

    async def text(self, trip: Trip, parts: list[dict[str, Any]] | None = None) -> str:
        """The text of a stream. Its chunks go to `parts`, also of one that fails."""
        parts = [] if parts is None else parts
        async for part in self.dispatcher.stream(trip):
            parts.append(part)
        return text_of(parts)

    @property
    def open(self) -> int:
        """Calls under way at any port."""
        return sum(port.open for port in self.ports.values())


def attempts(trip: Trip) -> list[tuple[str, str | None]]:
    """Who was asked, and the error's code."""
    return [(attempt.target.id, attempt.error) for attempt in trip.attempts]
