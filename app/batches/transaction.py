"""Transactions whose failures are the gateway's own errors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.sql.boundary import foreign_errors

TRANSACTION_TIMEOUT_S = 30.0


@asynccontextmanager
async def transaction(engine: AsyncEngine, timeout_s: float | None = None) -> AsyncIterator[AsyncConnection]:
    """A transaction: committed at the end, rolled back by an exception or after `timeout_s` (by default
    `TRANSACTION_TIMEOUT_S`). Raises Unavailable."""
    with foreign_errors():
        # To close a connection from which nothing comes any more takes two seconds on top.
        async with asyncio.timeout(timeout_s or TRANSACTION_TIMEOUT_S), engine.begin() as connection:
            yield connection
