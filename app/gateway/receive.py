"""From an HTTP request to a flight, and through the pipeline: what all generating routes share."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.requests import Request

from app.accounts.types import Caller
from app.gateway.body import read_json_body, while_connected
from app.gateway.gateway import Gateway
from app.pipeline.flight import Flight
from app.pipeline.pipeline import Reply
from app.telemetry.events import Timeline
from app.wire.base import Wire
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from app.wire.parse import parse_request

Body = TypeVar("Body", bound=Wire)


def gateway_of(request: Request) -> Gateway:
    """The gateway that answers this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def caller_of(request: Request) -> Caller:
    """Who asks, by `Authorization` or `x-api-key`. Raises Unauthenticated, Unavailable."""
    headers = request.headers
    return gateway_of(request).directory.authenticate(headers.get("authorization"), headers.get("x-api-key"))


@dataclass(frozen=True, slots=True)
class Received(Generic[Body]):
    """A request that has been read and is well formed."""

    body: Body
    caller: Caller
    timeline: Timeline


async def read_body(request: Request, kind: type[Body], *, optional: bool = False) -> Body:
    """The validated body; `optional`: none stands for an empty one. Raises as `read_json_body` and InvalidRequest."""
    config = gateway_of(request).config
    raw = await read_json_body(request, config.max_body_bytes, config.body_timeout_s)
    return parse_request(kind, b"{}" if optional and not raw else raw, config.max_json_depth)


async def receive(request: Request, kind: type[Body], *, optional: bool = False) -> Received[Body]:
    """Authenticate, read, validate. `optional`: as of `read_body`."""
    timeline = Timeline()
    with timeline.stage("receive"):
        caller = caller_of(request)
        body = await read_body(request, kind, optional=optional)
    return Received(body, caller, timeline)


def take_off(request: Request, received: Received[Body], operation: str) -> Flight:
    """Begin to work on it, if there is room. The flight is to be settled, whatever happens."""
    return gateway_of(request).take_off(request.state.request_id, received.caller, operation, received.timeline)


async def travel(request: Request, flight: Flight, body: ChatRequest | CompletionRequest) -> Reply:
    """Through the pipeline, as long as the client is there."""
    pipeline = gateway_of(request).pipelines.chat
    # Several lines mean the same as one with commas (RFC 9110, 5.3).
    use = pipeline.use_of(",".join(request.headers.getlist("cache-control")), body.sextant.cache)
    return await while_connected(request, pipeline.answer(body, flight, use))
