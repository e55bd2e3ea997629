"""OpenAI's conversations: `/v1/conversations` and what belongs to them."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.types import Caller
from app.dialects.responses_request import messages_of
from app.errors import PermissionDenied
from app.gateway.memory_access import check_length, counted, memory_of
from app.gateway.queries import Query, parse_query
from app.gateway.receive import caller_of, receive
from app.gateway.responses import json_response
from app.memory.items import item_object
from app.memory.service import ConversationService
from app.memory.types import Conversation, Owner
from app.pipeline.draft import Draft
from app.wire.conversations import (
    AddItems,
    CreateConversation,
    EditConversation,
    IncludeQuery,
    ItemsQuery,
    conversation_object,
    item_list,
)

OPERATION = "conversations"

router = APIRouter(prefix="/v1/conversations")


@router.post("")
async def create_conversation(request: Request) -> Response:
    """Begin a conversation, with items in it or empty."""
    received = await receive(request, CreateConversation, optional=True)
    caller, body, service = received.caller, received.body, _changing(request, received.caller)
    messages = Draft.messages_of(messages_of(body.items or []))

    async def create() -> dict[str, Any]:
        check_length(request, messages)
        return _shown(await service.create(caller, body.metadata or {}, messages))

    return await counted(request, received, OPERATION, create)


@router.get("/{conversation_id}")
async def retrieve_conversation(request: Request, conversation_id: str) -> Response:
    """A conversation without its items."""
    caller, service = _enter(request)
    parse_query(Query, request)
    return json_response(_shown(await service.conversation(Owner.of(caller), conversation_id)))


@router.post("/{conversation_id}")
async def edit_conversation(request: Request, conversation_id: str) -> Response:
    """Give a conversation other metadata."""
    received = await receive(request, EditConversation)
    caller, body, service = received.caller, received.body, _changing(request, received.caller)

    async def edit() -> dict[str, Any]:
        return _shown(await service.edit(caller, conversation_id, body.metadata or {}))

    return await counted(request, received, OPERATION, edit)


@router.delete("/{conversation_id}")
async def delete_conversation(request: Request, conversation_id: str) -> Response:
    """Erase a conversation and what came of it."""
    caller = caller_of(request)
    service = _changing(request, caller)
    await service.delete(caller, conversation_id)
    memory_of(request).sweeper.wake()
    return json_response({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


@router.get("/{conversation_id}/items")
async def list_items(request: Request, conversation_id: str) -> Response:
    """A page of items, the newest first."""
    caller, service = _enter(request)
    query = parse_query(ItemsQuery, request)
    conversation, found = await service.items(
        caller, conversation_id, after=query.after, limit=query.limit, ascending=query.order == "asc"
    )
    shown = service.shown(found[: query.limit], service.vault(conversation))
    items = [item_object(item.id, item.role, content) for item, content in shown]
    return json_response(item_list(items, has_more=len(found) > query.limit))


@router.post("/{conversation_id}/items")
async def add_items(request: Request, conversation_id: str) -> Response:
    """Append items as they are given."""
    received = await receive(request, AddItems)
    caller, service = received.caller, _changing(request, received.caller)
    parse_query(IncludeQuery, request)
    messages = Draft.messages_of(messages_of(received.body.items))

    async def add() -> dict[str, Any]:
        check_length(request, messages)
        conversation, added = await service.add(caller, conversation_id, messages)
        shown = service.shown(added, service.vault(conversation))
        return item_list([item_object(item.id, item.role, content) for item, content in shown])

    return await counted(request, received, OPERATION, add)


@router.get("/{conversation_id}/items/{item_id}")
async def retrieve_item(request: Request, conversation_id: str, item_id: str) -> Response:
    """One item."""
    caller, service = _enter(request)
    parse_query(IncludeQuery, request)
    conversation, found = await service.item(caller, conversation_id, item_id)
    ((item, content),) = service.shown([found], service.vault(conversation))
    return json_response(item_object(item.id, item.role, content))


@router.delete("/{conversation_id}/items/{item_id}")
async def delete_item(request: Request, conversation_id: str, item_id: str) -> Response:
    """Delete an item, and with it a summary that tells of it. Answers with the conversation, as OpenAI does."""
    caller = caller_of(request)
    service = _changing(request, caller)
    return json_response(_shown(await service.delete_item(caller, conversation_id, item_id)))


def _enter(request: Request) -> tuple[Caller, ConversationService]:
    return caller_of(request), memory_of(request).conversations


def _changing(request: Request, caller: Caller) -> ConversationService:
    """Raises PermissionDenied for a batch."""
    if caller.batch is not None:
        raise PermissionDenied("A batch cannot change conversations but by its requests.")
    return memory_of(request).conversations


def _shown(conversation: Conversation) -> dict[str, Any]:
    return conversation_object(conversation.id, conversation.created_ms, conversation.metadata)
