"""Transactions whose failures are the gateway's own errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.sql.boundary import foreign_errors


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction: committed at the end, rolled back by an exception. Raises Unavailable."""
    with foreign_errors():
        async with engine.begin() as connection:
            yield connection
