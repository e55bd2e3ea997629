"""Admin routes for what was spent; `app.gateway.admin` puts them behind the admin key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.spend import Spend, UsageFilter
from app.accounts.store import AccountStore
from app.errors import InvalidRequest
from app.gateway.account_access import page_of
from app.gateway.account_views import iso, request_view, spend_csv, spend_view, totals_view
from app.gateway.cursors import cursor_of
from app.gateway.queries import RequestsQuery, Span, SpendQuery, parse_query
from app.gateway.receive import gateway_of
from app.gateway.responses import json_response

router = APIRouter()


@router.get("/spend")
async def spend(request: Request) -> Response:
    """Sums over requests, as JSON or CSV. A CSV that goes on says so in a `link` header."""
    query = parse_query(SpendQuery, request)
    if query.format == "csv" or (query.format is None and "text/csv" in request.headers.get("accept", "")):
        return await _table(request, query)
    if query.after is not None:
        raise InvalidRequest("'after' is for tables in CSV; use 'offset'.", param="after")
    span, store = query.span, gateway_of(request).accounts
    where = _where(query, span)
    rows = await store.usage.by(query.group_by, where, query.limit + 1, query.offset)
    return json_response(
        {
            "object": "list",
            "from": iso(span.start),
            "to": iso(span.end),
            "group_by": query.group_by,
            "data": [spend_view(row) for row in await _with_names(rows[: query.limit], query, store)],
            "has_more": len(rows) > query.limit,
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


async def _table(request: Request, query: SpendQuery) -> Response:
    """A page in CSV. What a running period's table is about ends now, for the pages behind the link as well."""
    store = gateway_of(request).accounts
    span = Span(query.span.start, min(query.span.end, datetime.now(UTC) + timedelta(milliseconds=1)))
    rows = await store.usage.table(query.group_by, _where(query, span), query.limit + 1, query.offset, query.after)
    has_more, rows = len(rows) > query.limit, rows[: query.limit]
    headers = {"content-disposition": 'attachment; filename="spend.csv"'}
    if has_more:
        place = {"from": iso(span.start), "to": iso(span.end), "after": cursor_of(rows[-1].group)}
        following = request.url.remove_query_params("offset").include_query_params(**place)
        headers["link"] = f'<{following.path}?{following.query}>; rel="next"'
    rows = await _with_names(rows, query, store)
    return Response(spend_csv(rows, query.columns), headers=headers, media_type="text/csv")


def _where(query: SpendQuery, span: Span) -> UsageFilter:
    return UsageFilter(span.start_ms, span.end_ms, query.tenant, query.customer, query.key, query.model)


async def _with_names(rows: list[Spend], query: SpendQuery, store: AccountStore) -> list[Spend]:
    """The same groups; beside a key's id, what it is called."""
    if "key" not in query.group_by:
        return rows
    names = await store.keys.names([row.group["key"] for row in rows])
    return [replace(row, group={**row.group, "key_name": names.get(row.group["key"], "")}) for row in rows]
