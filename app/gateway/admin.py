"""The admin routes. All of them want the admin key: the router sees to it, so that none can forget."""

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from app.accounts.keys import Issued, NewKey
from app.gateway import admin_cache, admin_kb, admin_memory, admin_rules, admin_spend
from app.gateway.account_access import follow_up, page_of, require_admin
from app.gateway.account_views import key_view, party_view
from app.gateway.admin_rules import bounds_of, terms_of
from app.gateway.queries import CustomersQuery, KeysQuery, PageQuery, parse_query, path_id
from app.gateway.receive import gateway_of, read_body
from app.gateway.responses import json_response
from app.wire.admin import CreateKey, EditKey, RotateKey

router = APIRouter(prefix="/admin/v1", dependencies=[Depends(require_admin)])


@router.post("/keys")
async def create_key(request: Request) -> Response:
    """Make a key, and its tenant and customer where they are new. Shows the key, this once."""
    body = await read_body(request, CreateKey)
    wanted = NewKey(
        tenant=body.tenant,
        customer=body.customer,
        name=body.name,
        models=None if body.models is None else tuple(body.models),
        groups=tuple(body.groups),
        metadata=body.metadata,
        expires_ms=_ms(body.expires_at),
        strict=body.strict,
        limits=bounds_of(body.limits) if body.limits else None,
        budgets=[terms_of(budget) for budget in body.budgets],
    )
    issued = await gateway_of(request).accounts.keys.create(wanted)
    await follow_up(request)
    return _issued(issued, 201)


@router.get("/keys")
async def list_keys(request: Request) -> Response:
    """Keys, newest first."""
    query = parse_query(KeysQuery, request)
    keys = await gateway_of(request).accounts.keys.page(
        tenant=query.tenant, customer=query.customer, active=query.active, limit=query.limit + 1, after=query.after
    )
    return json_response(page_of(map(key_view, keys), query.limit))


@router.get("/keys/{key_id}")
async def show_key(request: Request, key_id: str) -> Response:
    """One key."""
    return json_response(key_view(await gateway_of(request).accounts.keys.get(path_id(key_id))))


@router.patch("/keys/{key_id}")
async def edit_key(request: Request, key_id: str) -> Response:
    """Change a key's name, models, groups, metadata or expiry."""
    changes: dict[str, Any] = (await read_body(request, EditKey)).model_dump(exclude_unset=True)
    if "expires_at" in changes:
        changes["expires_ms"] = _ms(changes.pop("expires_at"))
    key = await gateway_of(request).accounts.keys.edit(path_id(key_id), changes)
    await follow_up(request)
    return json_response(key_view(key))


@router.post("/keys/{key_id}/rotate")
async def rotate_key(request: Request, key_id: str) -> Response:
    """Give a key a new secret. Shows it, this once."""
    body = await read_body(request, RotateKey, optional=True)
    issued = await gateway_of(request).accounts.keys.rotate(path_id(key_id), body.grace_s)
    await follow_up(request)
    return _issued(issued, 200)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: str) -> Response:
    """End a key, for good."""
    key = await gateway_of(request).accounts.keys.revoke(path_id(key_id))
    await follow_up(request)
    return json_response(key_view(key))


@router.get("/tenants")
async def list_tenants(request: Request) -> Response:
    """Tenants by id."""
    query = parse_query(PageQuery, request)
    tenants = await gateway_of(request).accounts.keys.tenants(query.limit + 1, query.after)
    return json_response(page_of(map(party_view, tenants), query.limit))


@router.get("/customers")
async def list_customers(request: Request) -> Response:
    """A tenant's customers by id."""
    query = parse_query(CustomersQuery, request)
    customers = await gateway_of(request).accounts.keys.customers(query.tenant, query.limit + 1, query.after)
    return json_response(page_of(map(party_view, customers), query.limit))


def _issued(issued: Issued, status: int) -> Response:
    view = key_view(issued.key, key=issued.secret, made=issued.made)
    return json_response(view, status, {"cache-control": "no-store"})


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


router.include_router(admin_cache.router)
router.include_router(admin_kb.router)
router.include_router(admin_memory.router)
router.include_router(admin_rules.router)
router.include_router(admin_spend.router)
