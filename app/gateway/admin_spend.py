"""Admin routes for what was spent; `app.gateway.admin` puts them behind the admin key."""

from dataclasses import replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.spend import UsageFilter
from app.gateway.account_access import page_of
from app.gateway.account_views import iso, request_view, spend_csv, spend_view, totals_view
from app.gateway.queries import RequestsQuery, SpendQuery, parse_query
from app.gateway.receive import gateway_of
from app.gateway.responses import json_response

router = APIRouter()


@router.get("/spend")
async def spend(request: Request) -> Response:
    """Sums over requests, as JSON or CSV. A CSV that goes on says so in a `link` header."""
    query = parse_query(SpendQuery, request)
    span, store = query.span, gateway_of(request).accounts
    where = UsageFilter(span.start_ms, span.end_ms, query.tenant, query.customer, query.key, query.model)
    rows = await store.usage.by(query.group_by, where, query.limit + 1, query.offset)
    has_more, rows = len(rows) > query.limit, rows[: query.limit]
    if "key" in query.group_by:
        names = await store.keys.names([row.group["key"] for row in rows])
        rows = [replace(row, group={**row.group, "key_name": names.get(row.group["key"], "")}) for row in rows]
    if query.format == "csv" or (query.format is None and "text/csv" in request.headers.get("accept", "")):
        headers = {"content-disposition": 'attachment; filename="spend.csv"'}
        if has_more:
            following = request.url.include_query_params(offset=query.offset + query.limit)
            headers["link"] = f'<{following.path}?{following.query}>; rel="next"'
        return Response(spend_csv(rows, query.columns), headers=headers, media_type="text/csv")
    return json_response(
        {
            "object": "list",
            "from": iso(span.start),
            "to": iso(span.end),
            "group_by": query.group_by,
            "data": [spend_view(row) for row in rows],
            "has_more": has_more,
            "total": totals_view(await store.usage.total(where)),
        }
    )


@router.get("/requests")
async def list_requests(request: Request) -> Response:
    """Requests one by one, newest first."""
    query = parse_query(RequestsQuery, request)
    where = UsageFilter(
        tenant=query.tenant, customer=query.customer, key_id=query.key, model=query.model, outcome=query.outcome
    )
    rows = await gateway_of(request).accounts.usage.requests(where, query.limit + 1, query.after)
    return json_response(page_of(map(request_view, rows), query.limit))


@router.post("/ledger/rebuild")
async def rebuild_ledger(request: Request) -> Response:
    """Count all budgets anew from the rows of the database."""
    await gateway_of(request).ledger.rebuild()
    return json_response({"object": "ledger", "rebuilt": True})
