"""Shadow: requests that are sent to another model as well, to learn how it would do. Its answers go nowhere."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import cast

from app.errors import DeadlineExceeded, UpstreamTimeout
from app.pipeline.billing import Bill, bill_of
from app.pipeline.ports import ModelPort
from app.pipeline.transcript import Transcript
from app.routing.events import Listener, ShadowDropped, ShadowFinished, tell
from app.routing.held import HeldStream
from app.routing.target import Target
from app.routing.types import Trip
from app.telemetry.events import Usage

MAX_IN_FLIGHT = 32

# How a call ends that its model was at work on, whether or not anything came.
GIVEN_UP = frozenset({DeadlineExceeded.code, UpstreamTimeout.code})


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
            tell(self._listeners, ShadowDropped(target.id))
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
        transcript = Transcript()
        error: str | None = None
        task, body = trip.draft.task, trip.draft.for_target(target, priority=trip.priority)
        # Two requests of one id would be one to an engine that serves both.
        port, request_id = self._ports[target.id], f"{trip.answer_id}-shadow"
        try:
            async with asyncio.timeout_at(trip.deadline):
                if not body.get("stream"):
                    transcript.count(await port.complete(task, body, request_id))
                else:
                    async with aclosing(HeldStream(port.stream(task, body, request_id))) as chunks:
                        await chunks.hold()
                        first_token_ns = time.time_ns()
                        for held in chunks.held:
                            transcript.generates(held)
                        while (chunk := await chunks.next()) is not None:
                            transcript.generates(chunk)
        except TimeoutError:
            error = DeadlineExceeded.code
        except Exception as raised:
            error = cast(str, getattr(raised, "code", type(raised).__name__))
        end_ns = time.time_ns()
        if error is None:
            bill = bill_of(body, target, transcript)
        elif first_token_ns is not None or error in GIVEN_UP:
            # A replica's own count did not arrive; nobody else had more of its time than this.
            bill = bill_of(body, target, transcript, replica_seconds=(end_ns - start_ns) / 1e9)
        else:
            bill = Bill(Usage(), 0, estimated=False)
        event = ShadowFinished(
            target=target.id,
            answer_id=trip.answer_id,
            start_ns=start_ns,
            end_ns=end_ns,
            first_token_ns=first_token_ns,
            error=error,
            prompt_tokens=bill.usage.prompt_tokens,
            completion_tokens=bill.usage.completion_tokens,
            cost_nano=bill.cost_nano,
        )
        tell(self._listeners, event)
