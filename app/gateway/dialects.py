"""The routes that carry other dialects' names: OpenAI's Responses and Anthropic's Messages."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.dialects import messages_request, responses_request
from app.dialects.answer import read_answer
from app.dialects.messages_answer import error_object, message_object
from app.dialects.messages_stream import MessagesEvents
from app.dialects.responses_answer import response_object, status_of
from app.dialects.responses_stream import ResponsesEvents
from app.errors import ClientClosedRequest
from app.gateway.body import while_connected
from app.gateway.receive import gateway_of, receive, take_off, travel
from app.gateway.responses import EventStream, json_response
from app.pipeline.draft import Draft
from app.pipeline.flight import as_sextant_error, without_text
from app.wire.messages import CountTokensRequest, MessagesRequest
from app.wire.responses import ResponsesRequest

logger = logging.getLogger(__name__)


class MessagesRoute(APIRoute):
    """Answers errors in Anthropic's shape, and every request with the id where its clients look for it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI calls."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            request_id: str = request.state.request_id
            try:
                response = await handle(request)
            except ClientClosedRequest:
                raise
            except Exception as raised:
                error = as_sextant_error(raised)
                if error is not raised:
                    logger.error(
                        "request %s failed: %s", request_id, type(raised).__name__, exc_info=without_text(raised)
                    )
                response = json_response(error_object(error, request_id), error.status, error.headers())
            response.headers["request-id"] = request_id
            return response

        return answer


responses = APIRouter()
messages = APIRouter(route_class=MessagesRoute)


@responses.post("/v1/responses")
async def create_response(request: Request) -> Response:
    """Answer in the dialect of OpenAI's Responses."""
    received = await receive(request, ResponsesRequest)
    body, chat = received.body, responses_request.to_chat(received.body)
    flight = take_off(request, received, "chat")
    reply = await travel(request, flight, chat)
    if reply.chunks is not None:
        return EventStream(reply.chunks, flight.headers(), flight.deadline, ResponsesEvents(body, flight.answer_id))
    assert reply.body is not None
    answer = read_answer(reply.body)
    whole = response_object(body, flight.answer_id, answer, status_of(answer))
    return json_response(whole, headers=flight.headers())


@messages.post("/v1/messages")
async def create_message(request: Request) -> Response:
    """Answer in the dialect of Anthropic's Messages."""
    received = await receive(request, MessagesRequest)
    chat = messages_request.to_chat(received.body)
    flight = take_off(request, received, "chat")
    reply = await travel(request, flight, chat)
    if reply.chunks is not None:
        encoder = MessagesEvents(flight.answer_id, flight.request_id)
        return EventStream(reply.chunks, flight.headers(), flight.deadline, encoder)
    assert reply.body is not None
    whole = message_object(flight.answer_id, read_answer(reply.body))
    return json_response(whole, headers=flight.headers())


@messages.post("/v1/messages/count_tokens")
async def count_tokens(request: Request) -> Response:
    """Count what the model would read of a message, without what an alias adds."""
    received = await receive(request, CountTokensRequest)
    draft = Draft.of(messages_request.to_count(received.body)).body
    fields = {name: value for name, value in draft.items() if name in ("messages", "tools")}
    flight = take_off(request, received, "tokenize")
    work = gateway_of(request).pipelines.tokenize.answer(received.body.model, fields, flight)
    counted = await while_connected(request, work)
    return json_response({"input_tokens": counted["count"]}, headers=flight.headers())
