"""A bench with memory on it, over both databases."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from app.sql.database import open_database
from tests.postgres import postgres_server, postgres_url
from tests.unit.accounts.conftest import (
    database,
    engine,
    postgres_with_tables,
    sqlite_database,
    sqlite_with_tables,
)
from tests.unit.memory.desk import Desk, open_desk

__all__ = [
    "database",
    "engine",
    "postgres_server",
    "postgres_url",
    "postgres_with_tables",
    "sqlite_database",
    "sqlite_with_tables",
]

MakeDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
def make_desk(engine: AsyncEngine, tmp_path: Path) -> MakeDesk:
    """Desks by configuration sections; all share one database."""

    async def make(**sections: Any) -> Desk:
        return open_desk(engine, tmp_path, **sections)

    return make


@pytest.fixture
async def desk(make_desk: MakeDesk) -> Desk:
    """A model with a context of 2,048 tokens, facts off."""
    return await make_desk()


@pytest.fixture
async def make_lite(sqlite_database: URL, tmp_path: Path) -> AsyncIterator[MakeDesk]:
    """The same over SQLite alone, for what does not depend on the database. It need not survive a power failure."""
    engine = open_database(sqlite_database)

    @event.listens_for(engine.sync_engine, "connect")
    def relax(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    async def make(**sections: Any) -> Desk:
        return open_desk(engine, tmp_path, **sections)

    yield make
    await engine.dispose()


@pytest.fixture
async def lite(make_lite: MakeDesk) -> Desk:
    return await make_lite()
