"""Admin routes for the cache; `app.gateway.admin` puts them behind the admin key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.gateway.queries import Query, parse_query
from app.gateway.receive import gateway_of, read_body
from app.gateway.responses import json_response
from app.wire.admin import PurgeCache

router = APIRouter(prefix="/cache")


@router.get("")
async def show_stats(request: Request) -> Response:
    """How the cache does: the exact tier's counters in the replica that answers, and the semantic tier's."""
    parse_query(Query, request)
    return json_response(await gateway_of(request).cache_admin.stats())


@router.post("/purge")
async def purge(request: Request) -> Response:
    """Forget answers, on every replica within a second."""
    body = await read_body(request, PurgeCache)
    return json_response({"purged": await gateway_of(request).cache_admin.purge(body.tenant)})
