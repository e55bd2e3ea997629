"""Questions that the stack itself asks a model, for memory and for searches: reserved for, and billed to the tenant."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from app.accounts.types import Caller
from app.errors import InvalidRequest
from app.pipeline.dispatching import BATCH_PRIORITY, Dispatching
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.ledger_port import LedgerPort
from app.pipeline.output import content_of
from app.pipeline.ports import ModelPort
from app.pipeline.route import Router
from app.routing.target import Target
from app.telemetry.events import Listener
from app.wire.extension import RoutingRequest

Operation = Literal["memory", "rewrite"]
TIMEOUT_S = 120.0


class Asides:
    """`app.memory.ports.Ask` through the router, the ledger and the dispatcher. No prompt of an alias, no cache. What
    memory asks comes after those who wait; for a rewritten question somebody does."""

    def __init__(
        self,
        router: Router,
        dispatching: Dispatching,
        ledger: LedgerPort,
        listeners: Sequence[Listener],
        operation: Operation = "memory",
    ) -> None:
        self._router = router
        self._dispatching = dispatching
        self._ledger = ledger
        self._listeners = listeners
        self._operation = operation

    async def __call__(self, caller: Caller, model: str, messages: Sequence[Mapping[str, Any]], max_tokens: int) -> str:
        """The answer's text. Raises SextantError; settled in any case."""
        flight = Flight(
            request_id=f"{self._operation}-{uuid.uuid4().hex}",
            caller=caller,
            operation=self._operation,
            deadline=asyncio.get_running_loop().time() + TIMEOUT_S,
            listeners=self._listeners,
            ledger=self._ledger,
        )
        return await flight.settled_after(self._ask(flight, model, messages, max_tokens))

    async def _ask(self, flight: Flight, model: str, messages: Sequence[Mapping[str, Any]], max_tokens: int) -> str:
        route = self._router.route(model)
        flight.model = route.base.id
        await flight.admit(model)
        body = {"model": model, "messages": [dict(m) for m in messages], "max_tokens": max_tokens, "temperature": 0}
        wish = RoutingRequest(tier="small" if route.alias and route.alias.tiers else None, splits=False)
        trip = self._dispatching.trip(route, wish, Draft("chat", body), None, flight)
        if self._operation == "memory":
            trip.priority = BATCH_PRIORITY
        with flight.timeline.stage("generate"):
            answer = await self._dispatching.dispatcher.complete(trip)
        flight.transcript.answer(answer)
        if trip.answered_by is not None:
            flight.model = trip.answered_by.id
        return content_of(answer["choices"][0])


class Tokenizers:
    """`app.memory.ports.Counter` by the models' own tokenizers."""

    def __init__(self, models: Mapping[str, ModelPort]) -> None:
        self._models = models

    async def __call__(self, target: Target, text: str) -> int | None:
        if target.kind != "local":
            return None
        try:
            counted = await self._models[target.id].tokenize({"model": target.engine_model, "prompt": text})
        except InvalidRequest:
            return None
        return int(counted["count"])
