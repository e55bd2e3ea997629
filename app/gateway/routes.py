"""The routes that carry OpenAI's names, and `/tokenize` by vLLM's."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.errors import ModelNotFound
from app.gateway.body import while_connected
from app.gateway.receive import Body, caller_of, gateway_of, receive, take_off, travel
from app.gateway.responses import EventStream, json_response
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from app.wire.embeddings import EmbeddingRequest
from app.wire.moderations import ModerationRequest
from app.wire.search import RerankBody, SearchBody
from app.wire.tokenize import TokenizeRequest

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    received = await receive(request, ChatRequest)
    return await _answer(request, take_off(request, received, "chat"), received.body)


@router.post("/v1/completions")
async def completions(request: Request) -> Response:
    """Continue a text."""
    received = await receive(request, CompletionRequest)
    return await _answer(request, take_off(request, received, "text_completion"), received.body)


@router.post("/v1/embeddings")
async def embeddings(request: Request) -> Response:
    """Turn texts into vectors."""
    return await _whole(request, EmbeddingRequest, "embeddings", gateway_of(request).pipelines.embeddings.answer)


@router.post("/v1/moderations")
async def moderations(request: Request) -> Response:
    """Say what the guard holds of texts."""
    return await _whole(request, ModerationRequest, "moderations", gateway_of(request).pipelines.moderations.answer)


@router.post("/v1/search")
async def search(request: Request) -> Response:
    """Find passages in the caller's knowledge base."""
    return await _whole(request, SearchBody, "search", gateway_of(request).pipelines.search.answer)


@router.post("/v1/rerank")
async def rerank(request: Request) -> Response:
    """Order documents by how well they answer a query."""
    return await _whole(request, RerankBody, "rerank", gateway_of(request).pipelines.rerank.answer)


@router.get("/v1/models")
async def list_models(request: Request) -> Response:
    """Everything that `model` can name, for this key."""
    caller = caller_of(request)
    return json_response({"object": "list", "data": gateway_of(request).pipelines.chat.router.listing(caller)})


@router.get("/v1/models/{name:path}")
async def retrieve_model(request: Request, name: str) -> Response:
    """One of them."""
    caller = caller_of(request)
    for card in gateway_of(request).pipelines.chat.router.listing(caller):
        if card["id"] == name:
            return json_response(card)
    raise ModelNotFound(f"The model {name!r} does not exist; GET /v1/models lists what does.", param="model")


@router.post("/tokenize")
async def tokenize(request: Request) -> Response:
    """Count and list the tokens that a model makes of a text."""
    received = await receive(request, TokenizeRequest)
    body, flight = received.body, take_off(request, received, "tokenize")
    fields = body.model_dump(exclude_unset=True, exclude={"model", "messages"})
    if body.messages is not None:
        fields["messages"] = Draft.messages_of(body.messages)
    work = gateway_of(request).pipelines.tokenize.answer(body.model, fields, flight)
    return json_response(await while_connected(request, work), headers=flight.headers())


async def _whole(
    request: Request,
    kind: type[Body],
    operation: str,
    pipeline: Callable[[Body, Flight], Coroutine[Any, Any, dict[str, Any]]],
) -> Response:
    """An answer that is never streamed."""
    received = await receive(request, kind)
    flight = take_off(request, received, operation)
    answer = await while_connected(request, pipeline(received.body, flight))
    return json_response(answer, headers=flight.headers())


async def _answer(request: Request, flight: Flight, body: ChatRequest | CompletionRequest) -> Response:
    reply = await travel(request, flight, body)
    if reply.chunks is not None:
        return EventStream(reply.chunks, flight.headers(), flight.deadline)
    return json_response(reply.body, headers=flight.headers())
