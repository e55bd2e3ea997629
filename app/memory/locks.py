"""Transactions of one tenant that must not overlap: what erases, and what might bring back what was erased.

SQLite lets one write at a time, from its first change on: begin with one.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.batches.transaction import transaction


@asynccontextmanager
async def alone(engine: AsyncEngine, tenant: str, timeout_s: float | None = None) -> AsyncIterator[AsyncConnection]:
    """A transaction that overlaps with no other one of these."""
    async with transaction(engine, timeout_s) as connection:
        await _lock(connection, "pg_advisory_xact_lock", tenant)
        yield connection


@asynccontextmanager
async def beside(engine: AsyncEngine, tenant: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that overlaps with others like it, and with none that is `alone`."""
    async with transaction(engine) as connection:
        await _lock(connection, "pg_advisory_xact_lock_shared", tenant)
        yield connection


async def _lock(connection: AsyncConnection, function: str, tenant: str) -> None:
    """PostgreSQL's lock of a tenant; it ends with the transaction, whichever way that ends."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.blake2b(f"memory:{tenant}".encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big", signed=True)
        await connection.execute(text(f"SELECT {function}(:key)"), {"key": key})
