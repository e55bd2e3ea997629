"""What the ledgers of several processes share, and makers of what goes through them."""

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from valkey import Valkey

from app.accounts.types import Budget, Caller, LimitRule, Limits
from app.clock import now_ms
from app.config.accounts import LedgerConfig
from app.ledger.ledger import Ledger
from app.ledger.rows import RowWriter
from app.ledger.spool import Spool
from app.ledger.store import MeterStore
from app.ledger.types import UsageRow
from app.sql.database import database_url, open_database
from app.sql.schema import usage

AWAY = "postgresql://nobody@127.0.0.1:9/nothing"
PAIRS = ("valkey-sqlite", "redis-postgresql")
laptop_only = pytest.mark.parametrize("backends", PAIRS[:1], indirect=True)


class Shop:
    """Everything that the ledgers of several processes share, and makers of what goes through them."""

    def __init__(self, home: Path, store_url: str, sql_url: str | None) -> None:
        self.home = home
        self.store_url = store_url
        self.sql_url = sql_url
        self.time_ms: int | None = None  # None: real time
        self.engine = self.open_engine()
        self._opened: list[tuple[RowWriter, MeterStore, AsyncEngine]] = []

    def open_engine(self) -> AsyncEngine:
        return open_database(database_url(self.sql_url, self.home))

    def ledger(self, sql_url: str | None = None, store_url: str | None = None, **config: Any) -> Ledger:
        """One process's ledger, with connections of its own. `heartbeat_s` and the like by keyword."""
        settings = LedgerConfig.model_validate(config)
        engine = open_database(database_url(sql_url or self.sql_url, self.home))
        rows = RowWriter(engine, Spool(self.home / "ledger", settings.max_spooled_rows), settings.commit_window_ms)
        clock = self._clock if self.time_ms is not None else None
        store = MeterStore.connect(store_url or self.store_url, self.home, settings.timeout_ms, clock)
        self._opened.append((rows, store, engine))
        return Ledger(settings, store, rows, self._clock)

    async def close(self) -> None:
        for rows, store, engine in self._opened:
            await rows.close()
            await store.close()
            await engine.dispose()
        await self.engine.dispose()

    def store(self) -> Valkey:
        """The store itself, to look into or to empty."""
        return Valkey.from_url(self.store_url)

    async def rows(self) -> list[UsageRow]:
        """Once what is on its way is in the database."""
        for rows, _, _ in self._opened:
            await rows.flush()
        return await self.committed()

    async def committed(self) -> list[UsageRow]:
        async with self.engine.connect() as connection:
            return [UsageRow(**row) for row in (await connection.execute(select(usage))).mappings()]

    async def spent(self) -> int:
        """By the rows that cost something."""
        async with self.engine.connect() as connection:
            return int((await connection.execute(select(func.sum(usage.c.cost_nano)))).scalar() or 0)

    async def delete_rows(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(usage))

    def reservations(self) -> int:
        """How many the store still holds."""
        with self.store() as store:
            leases: Any = store.zcard("{sextant}:ledger:leases")
            assert leases == sum(1 for _ in store.scan_iter("{sextant}:ledger:reservation:*"))
            return int(leases)

    def expiries(self) -> dict[str, float]:
        """When the lease of each reservation ends."""
        with self.store() as store:
            leases: Any = store.zrange("{sextant}:ledger:leases", 0, -1, withscores=True)
            return {id_.decode(): expiry for id_, expiry in leases}

    def ttls_ms(self) -> dict[str, int]:
        """All keys of the store, and how long each is kept."""
        with self.store() as store:
            return {key.decode(): store.pttl(key) for key in store.scan_iter()}

    def _clock(self) -> int:
        return self.time_ms if self.time_ms is not None else now_ms()


class Wire:
    """A way to the store that can be cut: what is asked still arrives, and no answer comes back."""

    def __init__(self, store_url: str, socket: Path) -> None:
        self._store = store_url.removeprefix("unix://")
        self._socket = socket
        self.url = f"unix://{socket}"
        self.is_cut = False
        self.asked = asyncio.Event()

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_unix_server(self._serve, self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_store, to_store = await asyncio.open_unix_connection(self._store)

        async def answers() -> None:
            while data := await from_store.read(65536):
                if not self.is_cut:
                    writer.write(data)

        answering = asyncio.create_task(answers())
        while data := await reader.read(65536):
            to_store.write(data)
            self.asked.set()
        # Let the store finish before its client is seen to leave.
        to_store.write_eof()
        await answering
        writer.close()
        to_store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  it comes true in another process
            await asyncio.sleep(0.01)


def new_id() -> str:
    return uuid.uuid4().hex


def caller(
    *budgets: Budget, requests: int | None = None, tokens: int | None = None, concurrent: int | None = None
) -> Caller:
    """A key with limits and budgets of its own."""
    limits = Limits(requests, tokens, concurrent)
    return Caller("acme", "k1", "bob", limits=(LimitRule("key", "key:k1", limits),), budgets=budgets)


def budget(amount: int, period: str = "month", **fields: Any) -> Budget:
    known: dict[str, Any] = {"id": "b1", "scope": "key", "subject": "key:k1"}
    return Budget(**{**known, "amount_nano": amount, "period": period, **fields})


def used(cost: int = 0, prompt: int = 0, completion: int = 0, model: str = "small", outcome: str = "ok") -> UsageRow:
    """A row as the pipeline hands it to `settle`."""
    return UsageRow(
        id="",
        at_ms=0,
        request_id="r",
        tenant="acme",
        key_id="k1",
        customer="bob",
        operation="chat",
        requested_model="small",
        model=model,
        provider="local",
        outcome=outcome,  # type: ignore[arg-type]
        error=None,
        cache="miss",
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost_nano=cost,
    )
