"""The account routes on a desk: real store, real directory, and a ledger that sums up rows."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import Any, cast

import httpx
from fastapi import FastAPI
from sqlalchemy import insert
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.directory import Directory
from app.accounts.spend import UsageFilter, UsageStore
from app.accounts.store import AccountStore
from app.accounts.subjects import Subject
from app.accounts.types import Budget
from app.config import AccountsConfig, GatewayConfig, Secrets
from app.gateway.api import create_api
from app.gateway.gateway import Gateway
from app.ledger.types import Balance, UsageRow
from app.sql.database import open_database
from app.sql.schema import usage as usage_table
from tests.unit.server import listening

SECRETS = Secrets(api_key="sk-sextant-default", admin_key="sk-admin-test", hash_key=b"hash key")
ADMIN = {"authorization": f"Bearer {SECRETS.admin_key}"}


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


class SummingLedger:
    """Balances straight from the rows, for ever; counts how often it was rebuilt."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._rows = UsageStore(engine)
        self.rebuilt = 0

    async def balance(self, budget: Budget) -> Balance:
        subject = Subject.parse(budget.subject)
        names = {"tenant": subject.tenant, "key_id": None, "customer": None}
        names["key_id" if subject.scope == "key" else subject.scope] = subject.name
        return Balance((await self._rows.total(UsageFilter(**cast(Any, names)))).cost_nano, 0, None)

    async def rebuild(self) -> None:
        self.rebuilt += 1


class Desk:
    """Stands in for the gateway, as far as these routes see it."""

    def __init__(self, engine: AsyncEngine, **accounts: Any) -> None:
        self.engine = engine
        self.config = GatewayConfig()
        self.accounts = AccountStore(engine, SECRETS)
        self.directory = Directory(SECRETS, engine, AccountsConfig(**accounts))
        self.ledger = SummingLedger(engine)

    def api(self, follow: bool = False) -> FastAPI:
        @asynccontextmanager
        async def following() -> AsyncIterator[None]:
            await self.directory.refresh()  # before the first request, as the stack does
            task = asyncio.create_task(self.directory.follow())
            yield
            task.cancel()
            await self.engine.dispose()

        return create_api(cast(Gateway, self), following() if follow else None)

    @asynccontextmanager
    async def client(self, headers: dict[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Without a network in between."""
        transport = httpx.ASGITransport(self.api(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers or ADMIN) as client:
            yield client

    async def use(self, **fields: Any) -> UsageRow:
        """Write a usage row, as the ledger does."""
        row = usage_row(**fields)
        async with self.engine.begin() as connection:
            await connection.execute(insert(usage_table).values(asdict(row)))
        return row


def usage_row(**fields: Any) -> UsageRow:
    row: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "at_ms": time.time_ns() // 1_000_000,
        "request_id": "req-1",
        "tenant": "default",
        "key_id": "default",
        "customer": None,
        "operation": "chat",
        "requested_model": "chat",
        "model": "m",
        "provider": "local",
        "outcome": "ok",
        "error": None,
        "cache": "miss",
    }
    return UsageRow(**{**row, **fields})


@contextmanager
def served(url: URL) -> Iterator[str]:
    """The routes on a real socket, over this database; yields their URL."""
    with listening(Desk(open_database(url)).api(follow=True)) as address:
        yield address
