"""What the routes about accounts need of the gateway, and who may use them."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol, TypeVar

from starlette.requests import Request

from app.accounts.directory import Directory
from app.accounts.store import AccountStore
from app.accounts.types import Budget
from app.config import GatewayConfig
from app.errors import Unavailable
from app.gateway.body import read_json_body
from app.ledger.types import Balance
from app.wire.base import Wire
from app.wire.parse import parse_request

Body = TypeVar("Body", bound=Wire)


class Balances(Protocol):
    """The ledger, as these routes see it."""

    async def balance(self, budget: Budget) -> Balance: ...

    async def rebuild(self) -> None: ...


class AccountsGateway(Protocol):
    """The gateway, as these routes see it."""

    @property
    def config(self) -> GatewayConfig: ...
    @property
    def directory(self) -> Directory: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def ledger(self) -> Balances: ...


def accounts_gateway(request: Request) -> AccountsGateway:
    """The gateway behind a request."""
    gateway: AccountsGateway = request.app.state.gateway
    return gateway


async def require_admin(request: Request) -> None:
    """A dependency of every admin route. Raises Unauthenticated, PermissionDenied."""
    headers = request.headers
    accounts_gateway(request).directory.authenticate_admin(headers.get("authorization"), headers.get("x-api-key"))


async def read_body(request: Request, kind: type[Body], *, optional: bool = False) -> Body:
    """The validated body; `optional`: none stands for an empty one. Raises as `read_json_body` and InvalidRequest."""
    config = accounts_gateway(request).config
    raw = await read_json_body(request, config.max_body_bytes, config.body_timeout_s)
    return parse_request(kind, b"{}" if optional and not raw else raw, config.max_json_depth)


async def follow_up(request: Request) -> None:
    """After a change: let it hold in this process at once. The others notice by themselves."""
    with suppress(Unavailable):  # the change is in the database, whatever happens now
        await accounts_gateway(request).directory.refresh()


def page_of(rows: Iterable[dict[str, object]], limit: int) -> dict[str, object]:
    """A list as OpenAI's are, out of up to `limit + 1` rows."""
    found = list(rows)
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}
