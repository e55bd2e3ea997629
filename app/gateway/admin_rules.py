"""Admin routes for limits and budgets; `app.gateway.admin` puts them behind the admin key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.money import nano_of
from app.accounts.rules import BudgetTerms
from app.accounts.subjects import Subject
from app.accounts.types import Limits
from app.gateway.account_access import follow_up, page_of
from app.gateway.account_views import budget_views, limits_view
from app.gateway.queries import BudgetsQuery, LimitsQuery, SubjectQuery, parse_query, path_id
from app.gateway.receive import gateway_of, read_body
from app.gateway.responses import json_response
from app.wire.admin import BudgetBody, LimitsBody, SetBudget, SetLimits

router = APIRouter()


@router.put("/limits")
async def set_limits(request: Request) -> Response:
    """Replace what is set for a subject."""
    body = await read_body(request, SetLimits)
    rule = await gateway_of(request).accounts.rules.set_limits(Subject.parse(body.subject), bounds_of(body))
    await follow_up(request)
    return json_response(limits_view(rule))


@router.get("/limits")
async def list_limits(request: Request) -> Response:
    """Limits by subject; `after` is a subject."""
    query = parse_query(LimitsQuery, request)
    subject = None if query.subject is None else Subject.parse(query.subject)
    after = None if query.after is None else str(Subject.parse(query.after))
    rules = await gateway_of(request).accounts.rules.limits(subject, query.limit + 1, after)
    return json_response(page_of(map(limits_view, rules), query.limit))


@router.delete("/limits")
async def clear_limits(request: Request) -> Response:
    """Leave a subject without limits."""
    subject = Subject.parse(parse_query(SubjectQuery, request).subject)
    await gateway_of(request).accounts.rules.clear_limits(subject)
    await follow_up(request)
    return json_response({"object": "limits", "subject": str(subject), "deleted": True})


@router.post("/budgets")
async def set_budget(request: Request) -> Response:
    """Set a subject's budget for a period; one that is there gets the new amount."""
    body, gateway = await read_body(request, SetBudget), gateway_of(request)
    budget = await gateway.accounts.rules.set_budget(Subject.parse(body.subject), terms_of(body))
    await follow_up(request)
    return json_response((await budget_views([budget], gateway.ledger))[0])


@router.get("/budgets")
async def list_budgets(request: Request) -> Response:
    """Budgets by id, and how they stand."""
    query, gateway = parse_query(BudgetsQuery, request), gateway_of(request)
    subject = None if query.subject is None else Subject.parse(query.subject)
    budgets = await gateway.accounts.rules.budgets(subject, query.limit + 1, query.after)
    return json_response(page_of(await budget_views(budgets, gateway.ledger), query.limit))


@router.delete("/budgets/{budget_id}")
async def delete_budget(request: Request, budget_id: str) -> Response:
    """Lift a budget."""
    await gateway_of(request).accounts.rules.delete_budget(path_id(budget_id))
    await follow_up(request)
    return json_response({"object": "budget", "id": budget_id, "deleted": True})


def bounds_of(body: LimitsBody) -> Limits:
    """From the wire's form."""
    return Limits(body.requests_per_minute, body.tokens_per_minute, body.concurrent_requests)


def terms_of(body: BudgetBody) -> BudgetTerms:
    """From the wire's form."""
    return BudgetTerms(nano_of(body.amount_usd), body.period, body.window_s)
