"""Reading and changing accounts: every change is one transaction that raises the directory's version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.sql.boundary import foreign_errors
from app.sql.schema import directory_changes, directory_version

KEPT_VERSIONS = 10_000
READ_TIMEOUT_S = 30.0
CHANGE_TIMEOUT_S = 30.0


class Change:
    """A change under way."""

    def __init__(self, connection: AsyncConnection, version: int) -> None:
        self.connection = connection
        self._version = version
        self.noted: set[str] = set()

    async def note(self, subject: str) -> None:
        """Say what changes, so that every directory reads it again: `key:<id>`, or a rule's subject."""
        if subject not in self.noted:
            self.noted.add(subject)
            row = {"version": self._version, "subject": subject}
            await self.connection.execute(insert(directory_changes).values(row))


@asynccontextmanager
async def change(engine: AsyncEngine) -> AsyncIterator[Change]:
    """A transaction, for `CHANGE_TIMEOUT_S` at most; an exception in it undoes everything. Raises Unavailable,
    after which it has mostly not happened: only a database that falls silent in the commit leaves that open.

    It begins by raising the version. That locks its row (SQLite: the file) until the end, so changes happen
    one after another: what one has read is still true when it writes. And SQLite can wait for a lock at the
    beginning of a transaction, but not once it has read something.
    """
    with foreign_errors():
        async with asyncio.timeout(CHANGE_TIMEOUT_S), engine.begin() as connection:
            version = await connection.scalar(_raise_version(connection.dialect.name))
            assert version is not None
            edit = Change(connection, version)
            yield edit
            assert edit.noted  # a version that names no change looks like one that is missing
            outdated = directory_changes.c.version <= version - KEPT_VERSIONS
            await connection.execute(delete(directory_changes).where(outdated))


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to read with, for `READ_TIMEOUT_S` at most. Raises Unavailable."""
    with foreign_errors():
        async with asyncio.timeout(READ_TIMEOUT_S), engine.connect() as connection:
            yield connection


def _raise_version(dialect: str) -> Any:
    first = (sqlite if dialect == "sqlite" else postgresql).insert(directory_version).values(id=1, version=1)
    raised = {"version": directory_version.c.version + 1}
    return first.on_conflict_do_update(index_elements=["id"], set_=raised).returning(directory_version.c.version)
