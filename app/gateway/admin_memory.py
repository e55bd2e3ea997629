"""Admin routes for memory; `app.gateway.admin` puts them behind the admin key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.gateway.memory_access import memory_of
from app.gateway.queries import parse_query, path_id
from app.gateway.receive import gateway_of
from app.gateway.responses import json_response
from app.memory.types import Owner
from app.wire.conversations import UserQuery

router = APIRouter()


@router.delete("/tenants/{tenant}/memory")
async def erase_memory(request: Request, tenant: str) -> Response:
    """Erase conversations, facts and traces of a tenant, and its cache; or of one of its users (`?user=`)."""
    memory, tenant = memory_of(request), path_id(tenant)
    user = parse_query(UserQuery, request).user
    if user is None:
        erased = await memory.erasing.tenant(tenant)
        await gateway_of(request).cache_admin.purge(tenant)
    else:
        erased = await memory.erasing.user(Owner(tenant, None, memory.tags.user(tenant, user)), user)
    memory.sweeper.wake()
    counts = {"conversations": erased.conversations, "memories": erased.memories}
    return json_response({"object": "memory.deleted", "tenant": tenant, "user": user, "deleted": True, **counts})
