"""What the routes of memory need of the gateway."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.errors import NotFound
from app.gateway.body import while_connected
from app.gateway.receive import Body, Received, gateway_of, take_off
from app.gateway.responses import json_response
from app.memory.memory import Memory
from app.memory.types import Message
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight

MODEL = "memory"  # its name in limits and in the ledger
Work = Callable[[], Awaitable[dict[str, Any]]]


def memory_of(request: Request) -> Memory:
    """Raises NotFound where memory is turned off."""
    memory = gateway_of(request).memory
    if memory is None:
        raise NotFound("Memory is turned off (memory.enabled).")
    return memory


async def counted(request: Request, received: Received[Body], operation: str, work: Work) -> Response:
    """The answer that `work` makes, once there is room and limits on requests let it begin. It costs nothing."""
    flight = take_off(request, received, operation)
    answer = await while_connected(request, flight.settled_after(_admitted(flight, work)))
    return json_response(answer, headers=flight.headers())


def check_length(request: Request, messages: Sequence[Message]) -> None:
    """Raises InvalidRequest for more text than the guard reads of one request."""
    gateway_of(request).pipelines.chat.guarding.check_length(Draft("chat", {"messages": messages}))


async def _admitted(flight: Flight, work: Work) -> dict[str, Any]:
    flight.model = MODEL
    await flight.admit(MODEL)
    return await work()
