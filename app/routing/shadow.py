"""Shadow: requests that are sent to another model as well, to learn how it would do. Its answers go nowhere."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from app.errors import DeadlineExceeded
from app.pipeline.ports import ModelPort
from app.routing.events import Listener, ShadowFinished, tell
from app.routing.held import HeldStream
from app.routing.target import Target
from app.routing.types import Trip

MAX_IN_FLIGHT = 32


class Shadow:
    """Mirrors requests in the background. `ports` are keyed by target id.

    A request is mirrored once it has its answer: what was refused, or failed, costs nobody a second
    call, and no first token waits for a shadow. Whatever becomes of the mirrored one, the request does
    not notice; its caller is not billed, and neither breakers nor latencies count it. Past
    `max_in_flight` mirrored requests are dropped: a slow shadow must not fill the memory.
    """

    def __init__(
        self, ports: Mapping[str, ModelPort], listeners: Sequence[Listener], max_in_flight: int = MAX_IN_FLIGHT
    ) -> None:
        self._ports = ports
        self._listeners = listeners
        self._max_in_flight = max_in_flight
        self._running: set[asyncio.Task[None]] = set()
        self.dropped = 0

    def mirror(self, trip: Trip, target: Target) -> None:
        """Send a trip's request to a target as well; returns at once."""
        if len(self._running) >= self._max_in_flight:
            self.dropped += 1
            return
        task = asyncio.create_task(self._ask(trip, target))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def aclose(self) -> None:
        """End what is under way."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _ask(self, trip: Trip, target: Target) -> None:
        """To the end of the answer, or to the request's deadline."""
        start_ns, first_token_ns = time.time_ns(), None
        usage: dict[str, Any] = {}
        error: str | None = None
        task, body = trip.draft.task, trip.draft.for_target(target, priority=trip.priority)
        # Two requests of one id would be one to an engine that serves both.
        port, request_id = self._ports[target.id], f"{trip.answer_id}-shadow"
        try:
            async with asyncio.timeout_at(trip.deadline):
                if not body.get("stream"):
                    usage = (await port.complete(task, body, request_id)).get("usage") or {}
                else:
                    async with aclosing(HeldStream(port.stream(task, body, request_id))) as chunks:
                        await chunks.hold()
                        first_token_ns = time.time_ns()
                        usage = _usage(chunks.held, usage)
                        while (chunk := await chunks.next()) is not None:
                            usage = _usage([chunk], usage)
        except TimeoutError:
            error = DeadlineExceeded.code
        except Exception as raised:
            error = cast(str, getattr(raised, "code", type(raised).__name__))
        event = ShadowFinished(
            target=target.id,
            answer_id=trip.answer_id,
            start_ns=start_ns,
            end_ns=time.time_ns(),
            first_token_ns=first_token_ns,
            error=error,
            prompt_tokens=usage.get("prompt_tokens") or 0,
            completion_tokens=usage.get("completion_tokens") or 0,
        )
        tell(self._listeners, event)


def _usage(chunks: Sequence[dict[str, Any]], before: dict[str, Any]) -> dict[str, Any]:
    return next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), before)
