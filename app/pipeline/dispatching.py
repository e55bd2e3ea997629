"""From a route to a trip: which targets are tried, in which order, and what each of them may cost."""

import asyncio
import uuid
from dataclasses import dataclass, replace
from typing import Any

from app.accounts.types import Caller
from app.errors import InternalError
from app.pipeline.billing import Bill, bill_of, bound_of
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.route import Route
from app.pipeline.transcript import Transcript
from app.retrieval.types import Vector
from app.routing.dispatch import Dispatcher
from app.routing.planner import Planner
from app.routing.target import Target
from app.routing.types import Trip
from app.telemetry.events import Usage
from app.wire.extension import RoutingRequest

BATCH_PRIORITY = 10  # vLLM: requests with larger numbers wait for those with smaller ones

# How an attempt ends that nobody waited for any more: its model was at work, and is owed for the prompt.
GIVEN_UP = frozenset(
    {"CancelledError", "GeneratorExit", "client_closed_request", "deadline_exceeded", "upstream_timeout"}
)


@dataclass(frozen=True, slots=True)
class Dispatching:
    """The planner and the dispatcher, as one request uses them. `timeout_s`: of a whole request."""

    planner: Planner
    dispatcher: Dispatcher
    timeout_s: float

    def trip(self, route: Route, wish: RoutingRequest, draft: Draft, vector: Vector | None, flight: Flight) -> Trip:
        """Plan, and see to it that whoever is asked is reserved for before and billed for after.

        Raises InvalidRequest for a wish that cannot be met.
        """
        plan = self.planner.plan(route.requested, flight.caller, wish, vector)
        flight.attributes["router.reason"] = plan.reason

        async def reserve(target: Target) -> None:
            bound = bound_of(draft.body, target, self.timeout_s)
            await flight.hold(target, bound.tokens, bound.cost_nano)

        trip = Trip(
            plan=plan,
            draft=draft,
            answer_id=flight.answer_id,
            deadline=flight.deadline,
            reserve=reserve,
            priority=BATCH_PRIORITY if flight.caller.batch else 0,
            is_lost=lambda: flight.is_lost,
        )
        flight.trip = trip
        flight.transcript.choices_per_prompt = draft.body.get("n") or 1
        flight.billing = lambda: _owed(trip, flight)
        return trip

    async def ask_again(self, trip: Trip, messages: list[dict[str, Any]], flight: Flight) -> dict[str, Any]:
        """Ask the model that answered a trip once more, for the same request, with other messages.

        Reserved is what the first answer cost and the most that the second can. Raises SextantError.
        """
        target = trip.answered_by
        if target is None:
            raise InternalError("Nobody has answered yet.")
        body = {name: value for name, value in trip.draft.body.items() if name not in ("stream", "stream_options")}
        draft = Draft(trip.draft.task, {**body, "messages": messages})
        bound, owed = bound_of(draft.body, target, self.timeout_s), flight.billing()
        spent = owed[1] if owed else None

        async def reserve(_: Target) -> None:
            used = spent.usage.prompt_tokens + spent.usage.completion_tokens if spent else 0
            await flight.hold(target, used + bound.tokens, (spent.cost_nano if spent else 0) + bound.cost_nano)

        again = replace(
            trip,
            plan=replace(trip.plan, order=(target,), fallbacks={}, shadow=None),
            draft=draft,
            reserve=reserve,
            attempts=[],
            answered_by=None,
        )
        # If it is given up, the prompt has been read twice.
        flight.billing = lambda: _owed_twice(trip, again, flight)
        return await self.dispatcher.complete(again)

    async def ask_unbilled(
        self, route: Route, wish: RoutingRequest, draft: Draft, vector: Vector | None, caller: Caller
    ) -> dict[str, Any]:
        """A whole answer for comparing, which no client gets: after everybody else, and at the operator's cost. No
        fallback gives it: another model's would say nothing of the one that was kept."""
        body = {name: value for name, value in draft.body.items() if name not in ("stream", "stream_options")}

        async def free(_: Target) -> None:
            return None

        unbilled = Trip(
            plan=replace(self.planner.plan(route.requested, caller, wish, vector), fallbacks={}, shadow=None),
            draft=Draft(draft.task, body),
            answer_id=uuid.uuid4().hex,
            deadline=asyncio.get_running_loop().time() + self.timeout_s,
            reserve=free,
            priority=BATCH_PRIORITY,
        )
        return await self.dispatcher.complete(unbilled)


def _owed_twice(trip: Trip, again: Trip, flight: Flight) -> tuple[Target, Bill] | None:
    """What both attempts of a request are owed: the second by an estimate, until its answer has been counted."""
    owed, last = _owed(trip, flight), again.last_called
    if owed is None or last is None or last.error not in GIVEN_UP:
        return owed
    target, first = owed
    second = bill_of(again.draft.body, target, Transcript(), replica_seconds=(last.end_ns - last.start_ns) / 1e9)
    usage = Usage(
        first.usage.prompt_tokens + second.usage.prompt_tokens,
        first.usage.completion_tokens + second.usage.completion_tokens,
        first.usage.cached_tokens,
    )
    return target, Bill(usage, first.cost_nano + second.cost_nano, estimated=True)


def _owed(trip: Trip, flight: Flight) -> tuple[Target, Bill] | None:
    body = trip.draft.body
    if trip.answered_by:
        return trip.answered_by, bill_of(body, trip.answered_by, flight.transcript)
    last = trip.last_called
    if last is None or last.error not in GIVEN_UP:
        return None
    # A replica's own count did not arrive; nobody else had more of its time than this.
    seconds = (last.end_ns - last.start_ns) / 1e9
    return last.target, bill_of(body, last.target, flight.transcript, replica_seconds=seconds)
