"""Facts about end users: `/v1/memories`; and `/v1/users/{user}`, by which somebody is forgotten."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.errors import InvalidRequest, NotFound
from app.gateway.memory_access import check_length, counted, memory_of
from app.gateway.queries import Query, parse_query
from app.gateway.receive import caller_of, receive
from app.gateway.responses import json_response
from app.memory.facts import Facts
from app.memory.service import ID
from app.memory.types import Fact, Owner
from app.wire.conversations import CreateMemory, EditMemory, MemoriesQuery, UserQuery, item_list, memory_object

router = APIRouter()
OPERATION = "memories"
MAX_USER = 256


@router.get("/v1/memories")
async def list_memories(request: Request) -> Response:
    """Facts, newest first: of one user, or of all that the key may see."""
    caller, memory = caller_of(request), memory_of(request)
    query = parse_query(MemoriesQuery, request)
    user = None if query.user is None else memory.tags.user(caller.tenant, query.user)
    found = await memory.facts.records.page(Owner.of(caller, user), after=query.after, limit=query.limit + 1)
    if found is None:
        raise InvalidRequest("'after' is no memory of yours.", param="after")
    shown = [_shown(fact, memory.facts) for fact in found[: query.limit]]
    return json_response(item_list(shown, has_more=len(found) > query.limit))


@router.post("/v1/memories")
async def create_memory(request: Request) -> Response:
    """Write down a fact about a user."""
    received = await receive(request, CreateMemory)
    caller, body, memory = received.caller, received.body, memory_of(request)
    query = parse_query(UserQuery, request)
    if query.user is not None and body.user not in (None, query.user):
        raise InvalidRequest("The query and the body name two users.", param="user")
    user = query.user or body.user or caller.customer
    if user is None:
        raise InvalidRequest("Name the user that it is about.", param="user")
    owner = Owner.of(caller, memory.tags.user(caller.tenant, user))

    async def write() -> dict[str, object]:
        check_length(request, [{"role": "user", "content": body.text}])
        fact = await memory.facts.write(owner, body.text, memory.guard.policy_of(caller.tenant))
        await memory.facts.keep(fact)
        return _shown(fact, memory.facts)

    return await counted(request, received, OPERATION, write)


@router.patch("/v1/memories/{memory_id}")
async def edit_memory(request: Request, memory_id: str) -> Response:
    """Let a fact say something else."""
    received = await receive(request, EditMemory)
    body, owner, facts = received.body, Owner.of(received.caller), memory_of(request).facts
    policy = memory_of(request).guard.policy_of(owner.tenant)

    async def edit() -> dict[str, object]:
        check_length(request, [{"role": "user", "content": body.text}])
        before = await _found(facts, owner, memory_id)
        fact = await facts.write(Owner(before.tenant, before.customer, before.end_user), body.text, policy)
        if not await facts.records.edit(owner, before.id, facts.changes(fact, before.id)):
            raise NotFound("There is no memory of that id.", param="memory_id")
        return _shown(await _found(facts, owner, memory_id), facts)

    return await counted(request, received, OPERATION, edit)


@router.delete("/v1/memories/{memory_id}")
async def delete_memory(request: Request, memory_id: str) -> Response:
    """Forget a fact."""
    caller, memory = caller_of(request), memory_of(request)
    fact = await _found(memory.facts, Owner.of(caller), memory_id)
    await memory.facts.records.delete(Owner.of(caller), fact.id)
    return json_response({"id": memory_id, "object": "memory.deleted", "deleted": True})


@router.delete("/v1/users/{user:path}")
async def delete_user(request: Request, user: str) -> Response:
    """Forget an end user: conversations, facts, and in the background traces. The same whether there was anything."""
    caller, memory = caller_of(request), memory_of(request)
    parse_query(Query, request)
    if len(user) > MAX_USER:
        raise InvalidRequest(f"A user's name has at most {MAX_USER} characters.", param="user")
    erased = await memory.erasing.user(Owner.of(caller, memory.tags.user(caller.tenant, user)), user)
    memory.sweeper.wake()
    counts = {"conversations": erased.conversations, "memories": erased.memories}
    return json_response({"id": user, "object": "user.deleted", "deleted": True, **counts})


async def _found(facts: Facts, owner: Owner, memory_id: str) -> Fact:
    fact = await facts.records.find(owner, memory_id) if ID.fullmatch(memory_id) else None
    if fact is None:
        raise NotFound("There is no memory of that id.", param="memory_id")
    return fact


def _shown(fact: Fact, facts: Facts) -> dict[str, object]:
    return memory_object(fact.id, facts.plain(fact), fact.created_ms, fact.updated_ms, fact.conversation)
