"""Transactions of one tenant that must not overlap: what erases, and what might bring back what was erased."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.batches.transaction import transaction


@asynccontextmanager
async def alone(engine: AsyncEngine, tenant: str, timeout_s: float | None = None) -> AsyncIterator[AsyncConnection]:
    """A transaction. SQLite lets one write at a time, from its first change on: begin with one."""
    async with transaction(engine, timeout_s) as connection:
        if connection.dialect.name == "postgresql":
            digest = hashlib.blake2b(f"memory:{tenant}".encode(), digest_size=8).digest()
            key = int.from_bytes(digest, "big", signed=True)
            # Ends with the transaction, whichever way that ends.
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        yield connection
