"""Who may ask and what it costs, put together: the database, the directory of keys, and the ledger."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.directory import Directory
from app.accounts.store import AccountStore
from app.cache.embedded import socket_path
from app.config import Secrets, StackConfig
from app.errors import Unavailable
from app.ledger.ledger import Ledger
from app.ledger.rows import RowWriter
from app.ledger.spool import Spool
from app.ledger.store import MeterStore
from app.sql.database import database_url, open_database
from app.sql.migrate import at_head


@dataclass(frozen=True, slots=True)
class Accounting:
    """One for each ingress process."""

    engine: AsyncEngine
    directory_engine: AsyncEngine
    directory: Directory
    store: AccountStore
    ledger: Ledger

    async def ping(self) -> bool:
        """Whether the database answers, with the tables that this version of the code wants."""
        return await at_head(self.engine)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the directory fresh and the leases alive."""
        with suppress(Unavailable):
            await self.directory.refresh()  # before the first request, if it can be had
        following = asyncio.create_task(self.directory.follow())
        try:
            async with self.ledger.running():
                yield
        finally:
            following.cancel()
            for engine in (self.directory_engine, self.engine):
                await engine.dispose()


def open_accounting(config: StackConfig, secrets: Secrets) -> Accounting:
    """Connects at first use."""
    url = database_url(config.accounts.url, config.home)
    engine = open_database(url)
    own = open_database(url, connections=1)  # a long report must not delay a revocation
    counters = MeterStore.connect(
        config.ledger.url or config.cache.url, socket_path(config.home), config.ledger.timeout_ms
    )
    rows = RowWriter(
        engine, Spool(config.home / "ledger", config.ledger.max_spooled_rows), config.ledger.commit_window_ms
    )
    return Accounting(
        engine=engine,
        directory_engine=own,
        directory=Directory(secrets, own, config.accounts),
        store=AccountStore(engine, secrets, rows.flush),
        ledger=Ledger(config.ledger, counters, rows),
    )
