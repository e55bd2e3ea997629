"""The routes that carry OpenAI's names, and `/tokenize` by vLLM's."""

from typing import TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.cache.desk import CacheUse
from app.errors import ModelNotFound
from app.gateway.body import read_json_body, while_connected
from app.gateway.gateway import Gateway
from app.gateway.responses import EventStream, json_response
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.telemetry.events import Timeline
from app.wire.base import Wire
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from app.wire.embeddings import EmbeddingRequest
from app.wire.parse import parse_request
from app.wire.tokenize import TokenizeRequest

router = APIRouter()
Body = TypeVar("Body", bound=Wire)


@router.post("/v1/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    flight, body = await _receive(request, ChatRequest, "chat")
    return await _answer(request, flight, body)


@router.post("/v1/completions")
async def completions(request: Request) -> Response:
    """Continue a text."""
    flight, body = await _receive(request, CompletionRequest, "text_completion")
    return await _answer(request, flight, body)


@router.post("/v1/embeddings")
async def embeddings(request: Request) -> Response:
    """Turn texts into vectors."""
    flight, body = await _receive(request, EmbeddingRequest, "embeddings")
    answer = await while_connected(request, _gateway(request).embeddings.answer(body, flight))
    return json_response(answer, headers=flight.headers())


@router.get("/v1/models")
async def list_models(request: Request) -> Response:
    """Everything that `model` can name."""
    gateway = _gateway(request)
    gateway.keyring.authenticate(request.headers.get("authorization"))
    return json_response({"object": "list", "data": gateway.pipeline.router.listing()})


@router.get("/v1/models/{name:path}")
async def retrieve_model(request: Request, name: str) -> Response:
    """One of them."""
    gateway = _gateway(request)
    gateway.keyring.authenticate(request.headers.get("authorization"))
    for card in gateway.pipeline.router.listing():
        if card["id"] == name:
            return json_response(card)
    raise ModelNotFound(f"The model {name!r} does not exist; GET /v1/models lists what does.", param="model")


@router.post("/tokenize")
async def tokenize(request: Request) -> Response:
    """Count and list the tokens that a model makes of a text."""
    gateway = _gateway(request)
    flight, body = await _receive(request, TokenizeRequest, "tokenize")
    route = gateway.pipeline.router.route(body.model)
    fields = body.model_dump(exclude_unset=True, exclude={"model", "messages"})
    if body.messages is not None:
        fields["messages"] = Draft.messages_of(body.messages)
    work = gateway.models[route.model.id].tokenize({**fields, "model": route.engine_model})
    return json_response(await while_connected(request, flight.before_deadline(work)))


async def _receive(request: Request, kind: type[Body], operation: str) -> tuple[Flight, Body]:
    """Authenticate, read, validate."""
    gateway, timeline = _gateway(request), Timeline()
    with timeline.stage("receive"):
        caller = gateway.keyring.authenticate(request.headers.get("authorization"))
        raw = await read_json_body(request, gateway.config.max_body_bytes, gateway.config.body_timeout_s)
        body = parse_request(kind, raw, gateway.config.max_json_depth)
    return gateway.take_off(request.state.request_id, caller, operation, timeline), body


async def _answer(request: Request, flight: Flight, body: ChatRequest | CompletionRequest) -> Response:
    allowed = body.sextant.cache
    use = CacheUse.of(request.headers.get("cache-control"), allowed.read, allowed.write)
    reply = await while_connected(request, _gateway(request).pipeline.answer(body, flight, use))
    if reply.chunks is not None:
        return EventStream(reply.chunks, flight.headers(), flight.deadline)
    return json_response(reply.body, headers=flight.headers())


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway
