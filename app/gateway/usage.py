"""`GET /v1/usage`: what a customer has used, and what it may still use.

A key that belongs to a customer sees the customer's requests, whichever of its keys they came with; any
other key sees its own. Budgets are those of the key and the customer: a tenant's or a model's would tell
what others spend.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.spend import UsageFilter
from app.accounts.subjects import Subject
from app.accounts.types import Caller
from app.gateway.account_views import budget_views, iso, limits_view, spend_view, totals_view
from app.gateway.queries import Span, UsageQuery, parse_query
from app.gateway.receive import caller_of, gateway_of
from app.gateway.responses import json_response

router = APIRouter()


@router.get("/v1/usage")
async def usage(request: Request) -> Response:
    """Totals, sums by day and model, limits and budgets of the caller."""
    gateway, caller = gateway_of(request), caller_of(request)
    query = parse_query(UsageQuery, request)
    span = query.span
    where = own_usage(caller, span)
    rows = await gateway.accounts.usage.by(query.group_by, where, query.limit + 1, query.offset)
    budgets = [budget for budget in caller.budgets if budget.scope in ("key", "customer")]
    return json_response(
        {
            "object": "usage",
            "of": str(_owner(caller)),
            "from": iso(span.start),
            "to": iso(span.end),
            "total": totals_view(await gateway.accounts.usage.total(where)),
            "group_by": query.group_by,
            "data": [spend_view(row) for row in rows[: query.limit]],
            "has_more": len(rows) > query.limit,
            "limits": [limits_view(rule) for rule in caller.limits],
            "budgets": await budget_views(budgets, gateway.ledger),
        }
    )


def own_usage(caller: Caller, span: Span) -> UsageFilter:
    """The rows that a caller may see."""
    if caller.customer:
        return UsageFilter(span.start_ms, span.end_ms, tenant=caller.tenant, customer=caller.customer)
    return UsageFilter(span.start_ms, span.end_ms, tenant=caller.tenant, key_id=caller.key_id)


def _owner(caller: Caller) -> Subject:
    return Subject("customer", caller.customer, caller.tenant) if caller.customer else Subject("key", caller.key_id)
