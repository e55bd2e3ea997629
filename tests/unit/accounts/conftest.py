"""Both databases, for real: an SQLite file and a PostgreSQL server."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.store import AccountStore
from app.sql.database import database_url, open_database
from app.sql.migrate import migrate
from app.sql.schema import metadata
from tests.postgres import PostgresServer, postgres_server, postgres_url
from tests.unit.accounts.desk import SECRETS, Desk

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A database without tables."""
    if request.param == "sqlite":
        return database_url(None, tmp_path)
    return database_url(request.getfixturevalue("postgres_url")(), tmp_path)


@pytest.fixture(scope="session")
def postgres_with_tables(postgres_server: PostgresServer) -> URL:
    """One for all tests: making a database costs more than emptying it."""
    url = database_url(postgres_server.create_database(), Path())
    migrate(url)
    return url


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One to copy."""
    directory = tmp_path_factory.mktemp("template")
    migrate(database_url(None, directory))
    return directory / "sextant.db"


@pytest.fixture
def sqlite_database(sqlite_with_tables: Path, tmp_path: Path) -> URL:
    """An SQLite file with the tables that migrations make."""
    shutil.copy(sqlite_with_tables, tmp_path / "sextant.db")
    return database_url(None, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> URL:
    """A database with these tables, and nothing in them."""
    if request.param == "sqlite":
        found: URL = request.getfixturevalue("sqlite_database")
        return found
    url: URL = request.getfixturevalue("postgres_with_tables")
    asyncio.run(empty(url))
    return url


async def empty(url: URL) -> None:
    engine = open_database(url)
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
    await engine.dispose()


@pytest.fixture
async def engine(database: URL) -> AsyncIterator[AsyncEngine]:
    """Connections to it."""
    engine = open_database(database)
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> AccountStore:
    return AccountStore(engine, SECRETS)


@pytest.fixture
async def desk(engine: AsyncEngine) -> Desk:
    """The routes about accounts over the database."""
    desk = Desk(engine)
    await desk.directory.refresh()
    return desk


@pytest.fixture
async def sqlite_desk(sqlite_database: URL) -> AsyncIterator[Desk]:
    """The routes over SQLite alone, for what never gets as far as the database."""
    desk = Desk(open_database(sqlite_database))
    await desk.directory.refresh()
    yield desk
    await desk.engine.dispose()
