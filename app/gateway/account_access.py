"""What the routes about accounts need of the gateway, and who may use them."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from starlette.requests import Request

from app.accounts.types import Budget
from app.errors import Unavailable
from app.gateway.receive import gateway_of
from app.ledger.types import Balance


class Balances(Protocol):
    """The ledger, as these routes see it."""

    async def balance(self, budget: Budget) -> Balance: ...

    async def rebuild(self) -> None: ...


async def require_admin(request: Request) -> None:
    """A dependency of every admin route. Raises Unauthenticated, PermissionDenied."""
    headers = request.headers
    gateway_of(request).directory.authenticate_admin(headers.get("authorization"), headers.get("x-api-key"))


async def follow_up(request: Request) -> None:
    """After a change: let it hold in this process at once. The others notice by themselves."""
    with suppress(Unavailable):  # the change is in the database, whatever happens now
        await gateway_of(request).directory.refresh()


def page_of(rows: Iterable[dict[str, object]], limit: int) -> dict[str, object]:
    """A list as OpenAI's are, out of up to `limit + 1` rows."""
    found = list(rows)
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}
