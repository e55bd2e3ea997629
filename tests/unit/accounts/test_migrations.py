"""Migrations: what they make is the schema, any number of processes may run them, and nothing is half done."""

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ProgrammingError

from app.config import ConfigError
from app.errors import Unavailable
from app.sql.database import database_url, open_database
from app.sql.migrate import ADVISORY_LOCK, at_head, migrate
from app.sql.schema import metadata


async def ask(url: URL, question: Any) -> Any:
    """Run a function of a synchronous connection."""
    engine = open_database(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(question)
    finally:
        await engine.dispose()


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


@pytest.fixture
def migrated(empty_database: URL) -> URL:
    migrate(empty_database)
    return empty_database


async def test_a_migrated_database_is_the_schema(migrated: URL) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    assert await ask(migrated, differences) == []
    assert await ask(migrated, tables) == {*metadata.tables, "alembic_version"}


def test_migrating_again_changes_nothing(migrated: URL) -> None:
    migrate(migrated)


async def test_a_database_says_whether_it_is_up_to_date(empty_database: URL) -> None:
    engine = open_database(empty_database)
    assert not await at_head(engine)
    await asyncio.to_thread(migrate, empty_database)
    assert await at_head(engine)
    await engine.dispose()


def test_processes_that_start_at_once_migrate_once(empty_database: URL) -> None:
    processes = [start_migration(empty_database) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database: URL,
) -> None:
    await ask(empty_database, lambda connection: connection.execute(text("CREATE TABLE usage (id INTEGER)")))
    # `usage` comes late: by then other tables have been made.
    with pytest.raises((Unavailable, ProgrammingError)):
        await asyncio.to_thread(migrate, empty_database)
    assert await ask(empty_database, tables) == {"usage"}


async def test_a_database_of_a_newer_version_is_refused(migrated: URL) -> None:
    await ask(migrated, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = 'x9'")))
    with pytest.raises(ConfigError):
        await asyncio.to_thread(migrate, migrated)
    engine = open_database(migrated)
    assert not await at_head(engine)
    await engine.dispose()


async def test_a_migration_waits_for_another_one_only_so_long(migrated: URL) -> None:
    async with somebody_else_migrates(migrated):
        with pytest.raises(Unavailable):
            await asyncio.to_thread(migrate, migrated, timeout_s=0.2)
    await asyncio.to_thread(migrate, migrated, timeout_s=5)


@asynccontextmanager
async def somebody_else_migrates(database: URL) -> AsyncIterator[None]:
    if database.get_backend_name() == "sqlite":
        lock = os.open(f"{database.database}.lock", os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        os.close(lock)
        return
    engine = open_database(database)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        yield
    await engine.dispose()


def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        migrate(database_url("postgresql://nobody@127.0.0.1:1/none", Path()))


def start_migration(url: URL) -> subprocess.Popen[bytes]:
    code = "import sys; from sqlalchemy.engine import make_url; from app.sql.migrate import migrate;"
    code += "migrate(make_url(sys.argv[1]))"
    return subprocess.Popen([sys.executable, "-c", code, url.render_as_string(hide_password=False)])
