"""Dispatcher: asks a plan's targets until one answers.

reserve ─> call ── first content or whole answer ──> pass it on, and mirror it
   ^         └── failure ─┐
   └── next target <──────┘   app/routing/itinerary.py says which, and when
"""

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from random import Random
from typing import Any, TypeVar

from app.config.routing import RoutingConfig
from app.errors import BudgetExceeded, SextantError, Unavailable
from app.pipeline.ports import ModelPort
from app.routing.board import Call, TargetBoard
from app.routing.failures import failure_class
from app.routing.held import Chunk, HeldStream
from app.routing.itinerary import Itinerary
from app.routing.shadow import Shadow
from app.routing.silence import Silence
from app.routing.types import Attempt, Trip

T = TypeVar("T")


class Dispatcher:
    """Sends requests along their plans. `ports` are keyed by target id."""

    def __init__(
        self,
        config: RoutingConfig,
        ports: Mapping[str, ModelPort],
        board: TargetBoard,
        *,
        shadow: Shadow | None = None,
        random: Random | None = None,
    ) -> None:
        self._config = config
        self._ports = ports
        self._board = board
        self._shadow = shadow
        self._random = random or Random()  # noqa: S311 (jitter, no secret)

    async def complete(self, trip: Trip) -> dict[str, Any]:
        """A whole answer. Raises SextantError: the most telling one, if every target failed."""
        leg, answer = await self._reach(trip, self._ask)
        leg.end()
        return answer

    async def stream(self, trip: Trip) -> AsyncGenerator[Chunk, None]:
        """Chunks of a streamed answer. Raises as `complete` does, and past the first chunk whatever happens.

        Closing it, or cancelling who waits for it, ends the generation before it returns.
        """
        leg, chunks = await self._reach(trip, self._open)
        error: BaseException | None = None
        try:
            for chunk in chunks.held:
                yield chunk
            with Silence(self._config.between_tokens_timeout_s, trip.deadline) as silence:
                while (following := await silence.bound(chunks.next())) is not None:
                    yield following
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                await chunks.aclose()
            finally:
                leg.end(error)

    async def _reach(self, trip: Trip, ask: Callable[[Trip, Call], Awaitable[T]]) -> tuple["_Leg", T]:
        """Travel until a target answers. The leg that got there is still to be ended."""
        itinerary = Itinerary(trip.plan, self._config, self._board, self._random)
        reserved = None
        while True:
            call = await itinerary.next(trip.deadline)
            if trip.attempts and trip.is_lost():
                call.abandoned()
                raise Unavailable("This server was silent for too long; the request was settled without it.")
            leg, target = _Leg(trip, call), call.target
            if target != reserved:
                try:
                    await trip.reserve(target)
                except BudgetExceeded as error:
                    leg.abandon(error)
                    itinerary.refused(target, error)
                    reserved = None  # what it held before is not relied upon
                    continue
                except BaseException as error:
                    leg.abandon(error)
                    raise
                reserved = target
            itinerary.called(target)
            try:
                answer = await ask(trip, leg.call)
            except BaseException as error:
                leg.end(error)
                kind = failure_class(error)
                if not isinstance(error, SextantError) or kind is None:
                    raise
                itinerary.failed(target, error, kind)
                continue
            leg.call.answered()
            trip.answered_by = target
            if self._shadow and trip.plan.shadow:
                self._shadow.mirror(trip, trip.plan.shadow)
            return leg, answer

    async def _ask(self, trip: Trip, call: Call) -> dict[str, Any]:
        body = trip.draft.for_target(call.target, priority=trip.priority)
        answer = self._ports[call.target.id].complete(trip.draft.task, body, trip.answer_id)
        # Until its end nothing tells a whole answer that takes long from one that never comes.
        with Silence(self._config.answer_timeout_s or math.inf, trip.deadline) as silence:
            return await silence.bound(answer)

    async def _open(self, trip: Trip, call: Call) -> HeldStream:
        body = trip.draft.for_target(call.target, priority=trip.priority)
        chunks = HeldStream(self._ports[call.target.id].stream(trip.draft.task, body, trip.answer_id))
        try:
            with Silence(self._config.first_token_timeout_s, trip.deadline) as silence:
                await silence.bound(chunks.hold())
        except BaseException:
            await chunks.aclose()
            raise
        return chunks


class _Leg:
    """One attempt, from the reservation to its end: noted in the trip and on the board."""

    def __init__(self, trip: Trip, call: Call) -> None:
        self._trip = trip
        self._start_ns = time.time_ns()
        self.call = call

    def end(self, error: BaseException | None = None) -> None:
        """The call is over."""
        is_sent = error is None or failure_class(error) != "unsupported"
        self._note(error, called=is_sent)
        self.call.ended(error)

    def abandon(self, error: BaseException) -> None:
        """The call was not made: its reservation failed."""
        self._note(error, called=False)
        self.call.abandoned()

    def _note(self, error: BaseException | None, *, called: bool = True) -> None:
        code = getattr(error, "code", type(error).__name__) if error is not None else None
        self._trip.attempts.append(Attempt(self.call.target, self._start_ns, time.time_ns(), code, called))
